"""Vault: auth method and audit devices of the server; secrets engines, policies and roles of each hospital."""
