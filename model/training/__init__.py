"""Training: from a dataset of discharges to a calibrated model and its run."""
