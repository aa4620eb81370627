"""Access in Vault: policies as Vault reads them, logins, and what both grant."""
