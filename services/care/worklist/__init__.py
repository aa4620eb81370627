"""Worklist: patients by risk of readmission, for care coordinators; pages rendered on the server."""
