"""Audit: one hash chain of records for each hospital, its signed anchors, and the questions that it answers."""
