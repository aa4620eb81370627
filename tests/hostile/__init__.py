"""Hostile requests to the real services, and what of them comes out: ``python -m tests.hostile``."""
