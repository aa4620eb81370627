"""A pipeline as tables of numbers: what a release serves with, in NumPy alone."""
