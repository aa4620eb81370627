"""Storage and input/output: local folders and S3, Vault, YAML tables, the console."""
