"""EKS API of the AWS emulator: clusters, access entries and tokens."""
