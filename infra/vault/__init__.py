"""Vault's auth methods, mounts, policies and roles, for the server and for each hospital."""
