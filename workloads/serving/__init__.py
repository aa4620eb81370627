"""InferenceService of a hospital, its gateway and alerts, and discharge planning."""
