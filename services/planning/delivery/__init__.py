"""Releases in motion: which release answers an encounter, what stops a canary, and what a shadow would have said."""
