"""The aws resource plugin: calls, names and values of AWS' APIs."""
