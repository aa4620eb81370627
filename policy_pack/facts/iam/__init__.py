"""IAM policy documents: statements, wildcards, conditions and which policies apply to whom."""
