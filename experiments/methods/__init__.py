"""From a row to what learns it."""
