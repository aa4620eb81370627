"""Metrics of discrimination, calibration and benefit, with bootstrap intervals."""
