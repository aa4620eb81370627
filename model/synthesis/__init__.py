"""Synthetic hospital population with a known readmission risk."""
