"""Controls of access: IAM, RBAC, Vault, authentication and credentials."""
