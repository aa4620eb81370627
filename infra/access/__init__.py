"""Roles of people, and who enters the cluster."""
