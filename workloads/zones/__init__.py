"""Zones of a hospital: zone and workload tables, namespaces, quotas and NetworkPolicies."""
