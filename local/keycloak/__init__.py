"""Keycloak, built from Maven Central, as the identity provider of the embedded environment's hospitals."""
