"""Cells put together and run through time: the only scans over time."""
