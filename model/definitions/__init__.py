"""Tables of what is measured, and how: features, measurements, comorbidities, units."""
