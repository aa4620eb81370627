"""Mistakes that a colleague could make in a pull request, legitimate changes, and their tables."""
