"""Foundation of a stack: settings, AWS account, network, cluster, databases, Vault. It names no workload."""
