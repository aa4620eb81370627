"""Kubernetes RBAC: what roles permit, who holds them, and what both grant."""
