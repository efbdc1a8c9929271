"""The 1997 paper as data, and what runs, keeps and reports it: `python -m experiments`."""
