"""Leak test: plants identifiers in every string of a hospital's FHIR, and searches all output for them."""
