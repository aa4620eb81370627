"""Building blocks of workloads: the hardened pod, scheduled Jobs, ServiceAccounts, release metadata."""
