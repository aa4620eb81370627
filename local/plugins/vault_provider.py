"""vault resource plugin: the official types and ids with hvac, for OpenBao or Vault."""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Final

import hvac
import requests
from typing_extensions import override

from local.plugins.provider.common import Checked, Failure, PluginError, Props, Read, Request, decode_config
from local.plugins.provider.rows import Row
from local.plugins.provider.servicer import run
from local.plugins.provider.tables import TableProvider
from local.plugins.vault import kubernetes_auth, mounts, pki, secrets, system
from local.plugins.vault.vault_api import Vault, connect, explain

_ROWS: Final[Mapping[str, Row[Vault]]] = {
    row.token: row for row in (*mounts.ROWS, *kubernetes_auth.ROWS, *pki.ROWS, *secrets.ROWS, *system.ROWS)
}
_READ: Final = "vault:generic/getSecret:getSecret"
_OF_THE_SERVER: Final = frozenset({"vault:index/audit:Audit"})
"""Types whose objects belong to the server's configuration: they are removed from older states without a request."""


class VaultProvider(TableProvider[Vault]):
    """Provider of the Vault resource types."""

    name = "vault"
    version = "7.14.0"
    rows = _ROWS

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        self._environment = environment
        self._config: Props = {}
        self._vault: Vault | None = None

    @override
    def configure(self, config: Props) -> None:
        """Set address, token and certificate, without a request."""
        self._config = decode_config(config)
        self._vault = None

    @override
    def client(self) -> Vault:
        """Return the client, created at the first use."""
        if self._vault is None:
            self._vault = connect(self._config, self._environment)
        return self._vault

    @override
    def secret_paths(self, request: Request) -> Iterable[tuple[str | int, ...]]:
        """Return the outputs that are always secret; the provider's own token is."""
        return [("token",)] if request.type.startswith("pulumi:providers:") else super().secret_paths(request)

    @override
    def check(self, request: Request) -> Checked:
        """Check the inputs; a namespace of a single resource is not supported."""
        checked = super().check(request)
        if request.inputs.get("namespace"):
            reason = "set the namespace of the provider: this plugin does not support it on single resources"
            return Checked(checked.inputs, (*checked.failures, Failure("namespace", reason)))
        return checked

    @override
    def read(self, request: Request) -> Read:
        """Read the object."""
        return Read() if request.type in _OF_THE_SERVER else super().read(request)

    @override
    def delete(self, request: Request) -> None:
        """Remove the object."""
        if request.type not in _OF_THE_SERVER:
            super().delete(request)

    @override
    def invoke(self, token: str, args: Props) -> Props:
        """Read data at a path; the program needs no other function."""
        if token != _READ:
            return super().invoke(token, args)
        path = str(args["path"])
        try:
            data = self.client().get(path)
        except (hvac.exceptions.VaultError, requests.RequestException) as error:
            fault = explain(error, str(self._config.get("address") or ""), path)
            raise fault if fault is not None else error from None
        if data is None:
            raise PluginError(f"Vault has nothing at {path}, which the program reads")
        text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()}
        return {**args, "data": text, "dataJson": json.dumps(data), "leaseDuration": 0, "leaseId": "", "id": path}

    @override
    def fault(self, error: Exception, row: Row[Vault], request: Request) -> PluginError | None:
        """Return the error of Vault."""
        address = self._config.get("address") or self._environment.get("VAULT_ADDR", "")
        return explain(error, str(address), f"{request.name} ({row.token})")


if __name__ == "__main__":
    run(VaultProvider())
