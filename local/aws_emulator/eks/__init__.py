"""EKS on the emulator: clusters, access entries and tokens."""
