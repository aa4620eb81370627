"""Feature engineering: one definition of the features, as Ibis expressions."""
