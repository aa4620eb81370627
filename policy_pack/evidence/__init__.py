"""The compliance evidence of a stack, computed from its state and its cluster."""
