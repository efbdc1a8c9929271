"""Studies of the family: each net on a task that shows its point."""
