"""Training the trials of a row, and keeping what was found."""
