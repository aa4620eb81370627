"""Foundation of an environment: settings, network, cluster, keys, buckets, access, Vault. Names no workload."""
