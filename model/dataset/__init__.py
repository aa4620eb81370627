"""Discharges as arrays for training: columns, outcomes, groups."""
