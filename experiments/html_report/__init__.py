"""The report as one page to look at: tables, curves, readings tried, nets at work."""
