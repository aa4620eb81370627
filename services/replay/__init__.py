"""Replay: a recorded day of a hospital against a candidate release, and the report that compares both."""
