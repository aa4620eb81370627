"""Access of people: IAM roles, and EKS access entries."""
