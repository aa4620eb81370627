"""Pulumi CLI in the environment: updates, wait conditions, recovery, and variables for a shell."""
