"""Plant identifiers in every string of a hospital's FHIR, run every command, and look for them in every byte."""
