"""aws resource plugin: calls, names and values of the AWS APIs."""
