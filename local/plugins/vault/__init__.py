"""vault resource plugin: one table from resource type to the Vault API."""
