"""The controls: one row each in `controls.yaml`, and their functions by family."""
