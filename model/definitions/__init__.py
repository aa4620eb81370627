"""Definitions of features, measurements, comorbidities and units."""
