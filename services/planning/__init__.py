"""Discharge planning: scores of encounters, their history and the feedback on them (serving zone, pseudonyms only)."""
