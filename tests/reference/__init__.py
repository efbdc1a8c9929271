"""Slow, readable float64 twins; they import nothing of the library under test."""
