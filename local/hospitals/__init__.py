"""Hospitals of the environment: first run (data, Jobs, release, score), and releases in service."""
