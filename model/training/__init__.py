"""From a table of discharges to a calibrated model, and the run that says how it came about."""
