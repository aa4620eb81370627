"""One definition of the features, run through one expression API."""
