"""The zone table, and the namespaces, quotas and NetworkPolicies that follow from it."""
