"""FHIR in, a signed readmission-risk release out."""
