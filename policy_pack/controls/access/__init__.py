"""Access controls: IAM, RBAC, Vault, authentication and credentials."""
