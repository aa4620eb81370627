"""The ground that workloads stand on: settings, cluster, keys, buckets, identities and Vault."""
