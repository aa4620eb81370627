"""Vault client: Kubernetes login, read and write."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from model.errors import UserError
from model.io.console import warn

if TYPE_CHECKING:
    from hvac import Client

TOKEN_FILE = Path("/var/run/secrets/vault/token")
AUTH_MOUNT = "kubernetes"
TIMEOUT_SECONDS = 30
PATIENCE_SECONDS = 90.0
LONGEST_WAIT_SECONDS = 5.0


class AbsentError(UserError):
    """No secret at a Vault path."""


class Transit(Protocol):
    """Requests to Vault's transit engine, for signatures and pseudonyms."""

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Write to a path and return the answer's data."""
        ...

    def get(self, path: str) -> dict[str, Any]:
        """Read a path and return the answer's data."""
        ...


class Vault:
    """Vault client with Kubernetes login, token renewal and retries.

    Parameters
    ----------
    address
        Vault's address.
    role
        The role of the Kubernetes login.
    certificate
        The authority's certificate, or none for the machine's own list.
    token_file
        The service account's token, read again at each login.
    patience
        For how many seconds to try again while Vault is sealed, on standby, too busy or away.
    namespace
        The namespace of a managed Vault.
    """

    def __init__(
        self,
        address: str,
        role: str,
        certificate: str | None,
        token_file: Path = TOKEN_FILE,
        patience: float = PATIENCE_SECONDS,
        namespace: str | None = None,
    ) -> None:
        self._address = address
        self._namespace = namespace
        self._role = role
        self._certificate = certificate
        self._token_file = token_file
        self._patience = patience
        self._client: Client | None = None

    @classmethod
    def from_environment(cls, patience: float = PATIENCE_SECONDS) -> "Vault | None":
        """Return a client when ``VAULT_ADDR`` and ``VAULT_ROLE`` name one."""
        address, role = os.environ.get("VAULT_ADDR"), os.environ.get("VAULT_ROLE")
        if not address or not role:
            return None
        token_file = Path(os.environ.get("VAULT_TOKEN_FILE", str(TOKEN_FILE)))
        certificate, namespace = os.environ.get("VAULT_CACERT"), os.environ.get("VAULT_NAMESPACE")
        return cls(address, role, certificate, token_file, patience, namespace)

    def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        """Write to a path and return the answer's data."""
        return self._call("post", path, json=body)

    def get(self, path: str) -> dict[str, Any]:
        """Read a path and return the answer's data."""
        return self._call("get", path)

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError

        def ask() -> object:
            return getattr(self._session().adapter, method)(f"/v1/{path}", **arguments)

        def ask_again_with_a_new_token() -> object:
            try:
                return ask()
            except Forbidden:
                self._client = None
                return ask()

        try:
            reply = self._patiently(ask_again_with_a_new_token)
        except InvalidPath:
            raise AbsentError(f"Vault has nothing at {path}; write it there, or check the mount.") from None
        except InvalidRequest:
            raise UserError(f"Vault rejected {path}; check that the key and its version exist.") from None
        except VaultError as fault:
            raise UserError(
                f"Vault refused {path} ({type(fault).__name__}); check the policy of the role {self._role}."
            ) from None
        # A write that has nothing to tell is answered without a body.
        content = reply if isinstance(reply, dict) else reply.json() if reply.content else {}
        data: dict[str, object] = content.get("data") or {}
        return data

    def _session(self) -> "Client":
        if self._client is None:
            self._client = self._login()
        return self._client

    def _login(self) -> "Client":
        import hvac
        from hvac.exceptions import Forbidden, InvalidRequest

        try:
            token = self._token_file.read_text(encoding="ascii").strip()
        except OSError:
            raise UserError(
                f"There is no service account token at {self._token_file}; mount it or unset VAULT_ROLE."
            ) from None
        client = hvac.Client(
            url=self._address,
            verify=self._certificate or True,
            namespace=self._namespace,
            timeout=TIMEOUT_SECONDS,
        )
        try:
            client.auth.kubernetes.login(role=self._role, jwt=token, mount_point=AUTH_MOUNT)
        except (Forbidden, InvalidRequest) as fault:
            raise UserError(
                f"Vault refused the role {self._role} ({type(fault).__name__}); check its service account binding."
            ) from None
        return client

    def _say_once(self, state: RetryCallState) -> None:
        if state.attempt_number == 1:
            fault = state.outcome.exception() if state.outcome else None
            warn(f"Vault does not answer yet ({type(fault).__name__}); trying for up to {self._patience:.0f} seconds.")

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """Try again, less and less often, while the fault may pass by itself."""
        import requests
        from hvac.exceptions import BadGateway, InternalServerError, RateLimitExceeded, VaultDown

        passing = (BadGateway, InternalServerError, RateLimitExceeded, VaultDown)
        retrying = Retrying(
            retry=retry_if_exception_type((*passing, requests.ConnectionError, requests.Timeout)),
            wait=wait_random_exponential(multiplier=0.1, max=LONGEST_WAIT_SECONDS),
            stop=stop_after_delay(self._patience),
            before_sleep=self._say_once,
            reraise=True,
        )
        try:
            return retrying(ask)
        except VaultDown:
            raise UserError(f"Vault at {self._address} is sealed or on standby; unseal it and try again.") from None
        except requests.RequestException as fault:
            raise UserError(
                f"Cannot reach Vault at {self._address} ({type(fault).__name__}); check VAULT_ADDR, VAULT_CACERT."
            ) from None
