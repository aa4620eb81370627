"""Where files lie and how they are read: local folders and S3, Vault, YAML tables, the console."""
