"""Keycloak's admin REST API: realms are created, replaced and removed as they are declared.

Few calls, so that a client library would add more than it saves: a realm's whole representation is one request.
"""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
from tenacity import RetryError, Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from local.errors import UserError
from local.keycloak.realm_parts import DIGEST, Representation
from local.keycloak.server import ADMIN, discovery

MASTER = "master"
_TIMEOUT = 120.0
_LOG = "read `make logs NAME=keycloak`"


def trusting(authority: Path) -> ssl.SSLContext:
    """Return the TLS settings of a client that trusts a certificate authority alone."""
    return ssl.create_default_context(cafile=str(authority))


def wait(url: str, authority: Path, seconds: int) -> None:
    """Wait until Keycloak answers with a discovery document.

    Raises
    ------
    UserError
        If it does not in time.
    """
    with httpx.Client(verify=trusting(authority), timeout=5) as client:
        waiting = Retrying(
            stop=stop_after_delay(seconds),
            wait=wait_fixed(0.5),
            retry=retry_if_result(lambda ready: not ready) | retry_if_exception_type(httpx.TransportError),
        )
        try:
            waiting(lambda: client.get(discovery(f"{url}/realms/{MASTER}")).status_code == HTTPStatus.OK)
        except RetryError:
            raise UserError(f"Keycloak did not answer in {seconds} s: {_LOG}, then run `make up` again.") from None


def apply(url: str, authority: Path, secret: str, realms: Iterable[Representation]) -> dict[str, str]:
    """Create missing realms, replace changed ones, and remove the realms that are not declared.

    A realm is replaced as a whole, with its sessions, so that its people sign in again; the key of its tokens stays.

    Parameters
    ----------
    url, authority
        Address of the server, and the file of its certificate authority.
    secret
        Secret of the service account.
    realms
        The declared realms, with digests.

    Returns
    -------
    dict
        What was done with each realm that changed.

    Raises
    ------
    UserError
        If Keycloak refuses.
    """
    wanted = {realm["realm"]: realm for realm in realms}
    done: dict[str, str] = {}
    with _session(url, authority, secret) as client:
        present = {realm["realm"]: realm for realm in _checked(client.get("")).json()}
        present.pop(MASTER, None)
        for name in sorted(present.keys() - wanted.keys()):
            _checked(client.delete(name))
            done[name] = "removed"
        for name, realm in wanted.items():
            if name in present:
                if (present[name].get("attributes") or {}).get(DIGEST) == realm["attributes"][DIGEST]:
                    continue
                _checked(client.delete(name))
            _checked(client.post("", json=realm))
            done[name] = "replaced" if name in present else "created"
    return done


@contextmanager
def _session(url: str, authority: Path, secret: str) -> Iterator[httpx.Client]:
    """Return a client of the realms, with a token of the service account."""
    with httpx.Client(verify=trusting(authority), timeout=_TIMEOUT) as plain:
        grant = {"grant_type": "client_credentials", "client_id": ADMIN, "client_secret": secret}
        try:
            answer = plain.post(f"{url}/realms/{MASTER}/protocol/openid-connect/token", data=grant)
        except httpx.TransportError as fault:
            raise UserError(f"Keycloak at {url} does not answer ({type(fault).__name__}): {_LOG}.") from None
        token = _checked(answer).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=f"{url}/admin/realms/", headers=headers, verify=trusting(authority), timeout=_TIMEOUT
    ) as client:
        yield client


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    # The request has passwords: of the answer, only Keycloak's own message is shown.
    try:
        reason = answer.json().get("errorMessage") or answer.json().get("error") or ""
    except ValueError:
        reason = ""
    asked = f"{answer.request.method} {answer.request.url.path}"
    raise UserError(f"Keycloak answered {answer.status_code} to {asked} ({reason}): {_LOG}.")
