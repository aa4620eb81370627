"""Vault Agent injector of the embedded environment: a mutating webhook that reads the annotations of HashiCorp's."""
