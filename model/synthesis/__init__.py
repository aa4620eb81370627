"""A synthetic hospital population with a known risk of readmission."""
