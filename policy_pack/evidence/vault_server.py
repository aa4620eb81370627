"""Reader of the Vault server of the environment's variables: audit devices, policies, logins and roles."""

import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidPath, UnsupportedOperation, VaultError

from policy_pack.errors import PackError
from policy_pack.facts.live_permissions import role_content
from policy_pack.stack.audit_devices import AuditDevice, device
from policy_pack.stack.live import VAULT, Permission, policy_text

_SECONDS = 10
_T = TypeVar("_T")
# Lists of what gives policies, below the path of each login method, by the method's type.
_ROLE_LISTS = {
    "kubernetes": (("role", "login role"),),
    "jwt": (("role", "login role"),),
    "oidc": (("role", "login role"),),
    "approle": (("role", "login role"),),
    "aws": (("role", "login role"),),
    "gcp": (("role", "login role"),),
    "azure": (("role", "login role"),),
    "cert": (("certs", "login role"),),
    "userpass": (("users", "user"),),
    "ldap": (("groups", "login role"), ("users", "user")),
    "radius": (("users", "user"),),
    "okta": (("groups", "login role"), ("users", "user")),
    "github": (("map/teams", "login role"), ("map/users", "user")),
    "token": (("roles", "token role"),),
}
_ENGINE_LISTS = {"database": ("roles", "database role"), "pki": ("roles", "PKI role")}


def audit_devices() -> tuple[AuditDevice, ...]:
    """Return the audit devices of the server at ``VAULT_ADDR``, as ``VAULT_TOKEN`` may read them.

    Raises
    ------
    PackError
        When the server cannot be read.
    """
    return _asked("audit devices", "read and sudo there", _audit_devices)


def permissions() -> tuple[Permission, ...]:
    """Return all policies, logins and roles of the server at ``VAULT_ADDR``.

    Raises
    ------
    PackError
        When the server cannot be read.
    """
    return _asked(
        "permissions",
        "list and read of policies, login methods with their roles, and of identities",
        lambda client: tuple(sorted(_permissions(client))),
    )


def _audit_devices(client: Any) -> tuple[AuditDevice, ...]:
    answer = client.sys.list_enabled_audit_devices()
    devices = answer.get("data", answer)
    return tuple(device(path, one["type"], one.get("options")) for path, one in sorted(devices.items()))


def _permissions(client: Any) -> Iterator[Permission]:
    for name in _listed(client, "sys/policies/acl"):
        yield Permission(VAULT, "policy", name, policy_text(_policy(client, name)))
    methods = client.sys.list_auth_methods()
    for path, method in methods.get("data", methods).items():
        yield Permission(VAULT, "login method", path.strip("/"))
        yield from _logins(client, path.strip("/"), method["type"])
    engines = client.sys.list_mounted_secrets_engines()
    for path, engine in engines.get("data", engines).items():
        if engine["type"] in _ENGINE_LISTS:
            list_path, kind = _ENGINE_LISTS[engine["type"]]
            for name in _listed(client, f"{path}{list_path}"):
                yield Permission(VAULT, kind, f"{path.strip('/')}/{name}")
    yield from _identities(client)


def _logins(client: Any, mount: str, type_: str) -> Iterator[Permission]:
    """Return what gives policies in a login method; one of an unknown type counts as a login role."""
    if type_ not in _ROLE_LISTS:
        yield Permission(VAULT, "login role", f"{mount}/*")
    for list_path, kind in _ROLE_LISTS.get(type_, ()):
        for name in _listed(client, f"auth/{mount}/{list_path}"):
            answer = client.read(f"auth/{mount}/{list_path}/{name}") if kind == "login role" else None
            content = role_content(_with_token_fields(answer["data"])) if answer else ""
            yield Permission(VAULT, kind, name if kind == "token role" else f"{mount}/{name}", content)


def _identities(client: Any) -> Iterator[Permission]:
    """Return entities and groups with policies of their own; each login makes an entity without any."""
    for kind in ("entity", "group"):
        for identifier in _listed(client, f"identity/{kind}/id"):
            identity = client.read(f"identity/{kind}/id/{identifier}")["data"]
            if identity.get("policies"):
                yield Permission(VAULT, f"identity {kind}", identity["name"])


def _with_token_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a role's fields, with the older names of those that tokens have."""
    older = {"token_policies": "policies", "token_bound_cidrs": "bound_cidrs"}
    return {**fields, **{new: fields.get(new) or fields.get(old) for new, old in older.items()}}


def _policy(client: Any, name: str) -> str:
    try:
        answer = client.read(f"sys/policies/acl/{name}")
    except Forbidden:
        # A policy that the deployer may not read is compared by its name.
        return ""
    return str(answer["data"]["policy"]) if answer else ""


def _listed(client: Any, path: str) -> list[str]:
    try:
        answer = client.list(path)
    except (InvalidPath, UnsupportedOperation):
        return []
    return [str(key) for key in answer["data"]["keys"]] if answer else []


def _asked(what: str, needs: str, request: Callable[[Any], _T]) -> _T:
    missing = [name for name in ("VAULT_ADDR", "VAULT_TOKEN") if not os.environ.get(name)]
    if missing:
        raise PackError(f"Vault cannot be read without {' and '.join(missing)}; set it, or omit --live vault.")
    client: Any = hvac.Client(
        url=os.environ["VAULT_ADDR"],
        token=os.environ["VAULT_TOKEN"],
        namespace=os.environ.get("VAULT_NAMESPACE"),
        verify=os.environ.get("VAULT_CACERT") or True,
        timeout=_SECONDS,
    )
    try:
        return request(client)
    except VaultError as error:
        raise PackError(f"Vault's {what} cannot be read ({type(error).__name__}); its token needs {needs}.") from None
    except (requests.RequestException, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise PackError(
            f"Vault at {os.environ['VAULT_ADDR']} cannot be read ({type(error).__name__}); check VAULT_ADDR and "
            "VAULT_CACERT, or omit --live vault."
        ) from None
