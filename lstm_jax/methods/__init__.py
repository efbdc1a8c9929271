"""Learners that are more than a gradient rule: guessing, chunking, growing."""
