"""The 1997 paper as data: its rows, what its text leaves open, its published figures."""
