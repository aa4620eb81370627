"""IAM policy evaluation: documents, wildcards, conditions, trust policies, and who is allowed to do what."""
