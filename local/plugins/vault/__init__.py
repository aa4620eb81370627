"""The vault resource plugin: one table from resource type to Vault's API."""
