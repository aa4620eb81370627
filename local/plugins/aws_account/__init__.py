"""Resource types of the aws plugin for network, access, compute and monitoring."""
