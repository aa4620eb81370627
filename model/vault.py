"""The little that we ask of Vault: log in with the pod's token, post, get."""

import functools
import os
from pathlib import Path
from typing import Any, Protocol

from model.errors import UserError

TOKEN_FILE = Path("/var/run/secrets/vault/token")
AUTH_MOUNT = "kubernetes"
TIMEOUT_SECONDS = 30


class Transit(Protocol):
    """What signing and pseudonyms need of Vault."""

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Write to a path and return the answer's data."""
        ...

    def get(self, path: str) -> dict[str, Any]:
        """Read a path and return the answer's data."""
        ...


class Vault:
    """A logged-in client."""

    def __init__(self, address: str, role: str, certificate: str | None, token_file: Path = TOKEN_FILE) -> None:
        self._address = address
        self._role = role
        self._certificate = certificate
        self._token_file = token_file

    @classmethod
    def from_environment(cls) -> "Vault | None":
        """Return a client when ``VAULT_ADDR`` and ``VAULT_ROLE`` name one."""
        address, role = os.environ.get("VAULT_ADDR"), os.environ.get("VAULT_ROLE")
        if not address or not role:
            return None
        token_file = Path(os.environ.get("VAULT_TOKEN_FILE", str(TOKEN_FILE)))
        return cls(address, role, os.environ.get("VAULT_CACERT"), token_file)

    @functools.cached_property
    def _client(self) -> Any:
        import hvac
        import requests
        from hvac.exceptions import VaultError

        try:
            token = self._token_file.read_text(encoding="ascii").strip()
        except OSError:
            raise UserError(
                f"There is no service account token at {self._token_file}; mount it or unset VAULT_ROLE."
            ) from None
        client = hvac.Client(url=self._address, verify=self._certificate or True, timeout=TIMEOUT_SECONDS)
        try:
            client.auth.kubernetes.login(role=self._role, jwt=token, mount_point=AUTH_MOUNT)
        except VaultError as fault:
            raise UserError(
                f"Vault refused the role {self._role} ({type(fault).__name__}); check its service account binding."
            ) from None
        except requests.RequestException as fault:
            raise self._unreachable(fault) from None
        return client

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Write to a path and return the answer's data."""
        return self._call("post", path, json=body)

    def get(self, path: str) -> dict[str, Any]:
        """Read a path and return the answer's data."""
        return self._call("get", path)

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        import requests
        from hvac.exceptions import VaultError

        client = self._client
        try:
            reply = getattr(client.adapter, method)(f"/v1/{path}", **arguments)
        except VaultError as fault:
            raise UserError(
                f"Vault refused {path} ({type(fault).__name__}); check the policy of the role {self._role}."
            ) from None
        except requests.RequestException as fault:
            raise self._unreachable(fault) from None
        data: dict[str, Any] = reply["data"] if isinstance(reply, dict) else reply.json()["data"]
        return data

    def _unreachable(self, fault: Exception) -> UserError:
        return UserError(
            f"Cannot reach Vault at {self._address} ({type(fault).__name__}); check VAULT_ADDR, VAULT_CACERT."
        )
