"""Admission: the rules of ``admission.yaml``, which the API server enforces in hospitals' zones."""
