"""What every room needs: errors in one line, files, intervals, where figures come from."""
