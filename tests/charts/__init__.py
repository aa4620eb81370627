"""Helm charts of the platform, rendered with the program's values and evaluated by the policy pack."""
