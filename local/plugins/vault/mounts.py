"""Rows of the vault plugin: what Vault mounts (secrets engines, login methods) and its policies."""

from typing import Any, Final

from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row
from local.plugins.vault.vault_api import Names, Vault, body, pick, seconds, trimmed

_MOUNT_TUNE: Final[Names] = {
    "defaultLeaseTtlSeconds": "default_lease_ttl",
    "maxLeaseTtlSeconds": "max_lease_ttl",
    "listingVisibility": "listing_visibility",
    "auditNonHmacRequestKeys": "audit_non_hmac_request_keys",
    "auditNonHmacResponseKeys": "audit_non_hmac_response_keys",
    "passthroughRequestHeaders": "passthrough_request_headers",
    "allowedResponseHeaders": "allowed_response_headers",
    "allowedManagedKeys": "allowed_managed_keys",
    "delegatedAuthAccessors": "delegated_auth_accessors",
    "pluginVersion": "plugin_version",
}
_MOUNT_FIXED: Final[Names] = {
    "local": "local",
    "sealWrap": "seal_wrap",
    "externalEntropyAccess": "external_entropy_access",
}
_AUTH_TUNE: Final[Names] = {
    "defaultLeaseTtl": "default_lease_ttl",
    "maxLeaseTtl": "max_lease_ttl",
    "listingVisibility": "listing_visibility",
    "tokenType": "token_type",
    "auditNonHmacRequestKeys": "audit_non_hmac_request_keys",
    "auditNonHmacResponseKeys": "audit_non_hmac_response_keys",
    "passthroughRequestHeaders": "passthrough_request_headers",
    "allowedResponseHeaders": "allowed_response_headers",
}


def _create_mount(vault: Vault, inputs: Props) -> str:
    path = trimmed(inputs, "path")
    config = body(inputs, {**_MOUNT_TUNE, "forceNoCache": "force_no_cache"})
    fixed = body(inputs, {**_MOUNT_FIXED, "type": "type", "description": "description", "options": "options"})
    vault.put(f"sys/mounts/{path}", {**fixed, "config": config})
    return path


def _read_mount(vault: Vault, path: str, _inputs: Props) -> Props | None:
    live = (vault.get("sys/mounts") or {}).get(f"{path}/")
    if live is None:
        return None
    config = live.get("config", {})
    options = dict(live.get("options") or {})
    shown_type = live["type"]
    return {
        **pick(config, _MOUNT_TUNE),
        **{name: live.get(theirs) or False for name, theirs in _MOUNT_FIXED.items()},
        "forceNoCache": config.get("force_no_cache"),
        "accessor": live["accessor"],
        "description": live.get("description", ""),
        "options": options or None,
        "path": path,
        "type": "kv-v2" if _inputs.get("type") == "kv-v2" and options.get("version") == "2" else shown_type,
    }


def _update_mount(vault: Vault, path: str, old: Props, new: Props) -> None:
    names = {**_MOUNT_TUNE, "description": "description", "options": "options"}
    vault.put(f"sys/mounts/{path}/tune", body(new, names, old))


def _delete_mount(vault: Vault, path: str, _state: Props) -> None:
    vault.remove(f"sys/mounts/{path}")


def _create_auth(vault: Vault, inputs: Props) -> str:
    path = trimmed(inputs, "path", inputs["type"])
    names = {"type": "type", "description": "description", "local": "local"}
    vault.put(f"sys/auth/{path}", {**body(inputs, names), "config": body(inputs.get("tune", {}), _AUTH_TUNE)})
    return path


def _read_auth(vault: Vault, path: str, inputs: Props) -> Props | None:
    live = (vault.get("sys/auth") or {}).get(f"{path}/")
    if live is None:
        return None
    return {
        "accessor": live["accessor"],
        "description": live.get("description", ""),
        "local": live.get("local", False),
        "path": path,
        "type": live["type"],
        **({"tune": _tune(live.get("config", {}), inputs["tune"])} if "tune" in inputs else {}),
    }


def _tune(config: Props, written: Props) -> Props:
    """Return the tuned settings that the program names; a duration that is the same keeps its spelling."""
    shown: Props = {}
    for name, value in written.items():
        live: Any = config.get(_AUTH_TUNE.get(name, name))
        if name.endswith("Ttl") and isinstance(live, int):
            live = value if seconds(value) == live else f"{live}s"
        shown[name] = live
    return shown


def _update_auth(vault: Vault, path: str, old: Props, new: Props) -> None:
    tune = body(new.get("tune", {}), _AUTH_TUNE, old.get("tune", {}))
    vault.put(f"sys/auth/{path}/tune", {**tune, **body(new, {"description": "description"}, old)})


def _delete_auth(vault: Vault, path: str, _state: Props) -> None:
    vault.remove(f"sys/auth/{path}")


def _create_policy(vault: Vault, inputs: Props) -> str:
    vault.put(f"sys/policies/acl/{inputs['name']}", {"policy": inputs["policy"]})
    return str(inputs["name"])


def _read_policy(vault: Vault, name: str, _inputs: Props) -> Props | None:
    live = vault.get(f"sys/policies/acl/{name}")
    return None if live is None else {"name": name, "policy": live["policy"]}


def _update_policy(vault: Vault, name: str, _old: Props, new: Props) -> None:
    vault.put(f"sys/policies/acl/{name}", {"policy": new["policy"]})


def _delete_policy(vault: Vault, name: str, _state: Props) -> None:
    vault.remove(f"sys/policies/acl/{name}")


ROWS: Final[tuple[Row[Vault], ...]] = (
    Row(
        "vault:index/mount:Mount",
        _create_mount,
        _read_mount,
        _update_mount,
        _delete_mount,
        required=("path", "type"),
        replace=frozenset({"path", "type", "forceNoCache", "namespace", *_MOUNT_FIXED}),
        computed=("accessor",),
        delete_before_replace=True,
    ),
    Row(
        "vault:index/authBackend:AuthBackend",
        _create_auth,
        _read_auth,
        _update_auth,
        _delete_auth,
        required=("type",),
        replace=frozenset({"path", "type", "local", "namespace"}),
        computed=("accessor",),
        delete_before_replace=True,
    ),
    Row(
        "vault:index/policy:Policy",
        _create_policy,
        _read_policy,
        _update_policy,
        _delete_policy,
        required=("policy",),
        replace=frozenset({"name", "namespace"}),
        autoname="name",
    ),
)
