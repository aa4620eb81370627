"""The controls: a row for each in `controls.yaml`, and their checks by family."""
