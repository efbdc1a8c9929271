"""Ours beside theirs, as tables and figures."""
