"""Mutual TLS between services: a server and a client with certificates that Vault's agent replaces."""

from services.transport.client import client
from services.transport.credentials import Credentials, TlsFiles
from services.transport.identity import SpiffeId
from services.transport.server import ServerSettings, identities, serve, server

__all__ = ["Credentials", "ServerSettings", "SpiffeId", "TlsFiles", "client", "identities", "serve", "server"]
