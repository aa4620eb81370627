"""Faults of the clinical path, and what clients get while they last: ``python -m tests.faults``."""
