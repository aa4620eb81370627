"""The InferenceService of a hospital, and what calls and watches it: gateway, planning, alerts."""
