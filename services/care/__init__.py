"""Care: the application of the PHI zone, where names and scores meet."""
