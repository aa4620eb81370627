"""Encrypted identity store, and re-identification of one pseudonym at a time."""
