"""Rows of the vault plugin for mounts (secrets engines and auth methods) and policies.

A changed path moves the mount with its keys. The engine keeps the id that a resource was made with, so the path is
what says where a mount is.
"""

from typing import Final

from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row
from local.plugins.vault.vault_api import Names, Vault, body, duration, pick, remount, seconds, trimmed

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
# Lists that the official provider also writes if they are empty.
_AUDITED: Final = ("auditNonHmacRequestKeys", "auditNonHmacResponseKeys")
_UNTUNED: Final = {"default_lease_ttl": "0", "max_lease_ttl": "0", "token_type": "default-service"}


def _create_mount(vault: Vault, inputs: Props) -> str:
    path = trimmed(inputs, "path")
    config = body(inputs, {**_MOUNT_TUNE, "forceNoCache": "force_no_cache"})
    fixed = body(inputs, {**_MOUNT_FIXED, "type": "type", "description": "description", "options": "options"})
    vault.put(f"sys/mounts/{path}", {**fixed, "config": config})
    return path


def _read_mount(vault: Vault, object_id: str, _inputs: Props) -> Props | None:
    path = trimmed(_inputs, "path", object_id)
    live = (vault.get("sys/mounts") or {}).get(f"{path}/")
    if live is None:
        return None
    config = live.get("config", {})
    options = dict(live.get("options") or {})
    shown_type = live["type"]
    return {
        **pick(config, _MOUNT_TUNE),
        **{name: config.get(_MOUNT_TUNE[name]) or [] for name in _AUDITED},
        **{name: live.get(theirs) or False for name, theirs in _MOUNT_FIXED.items()},
        "forceNoCache": config.get("force_no_cache"),
        "accessor": live["accessor"],
        "description": live.get("description", ""),
        "options": options or None,
        "path": path,
        "type": "kv-v2" if _inputs.get("type") == "kv-v2" and options.get("version") == "2" else shown_type,
    }


def _update_mount(vault: Vault, object_id: str, old: Props, new: Props) -> None:
    path, before = trimmed(new, "path"), trimmed(old, "path", object_id)
    if path != before:
        remount(vault, before, path)
    names = {**_MOUNT_TUNE, "description": "description", "options": "options"}
    vault.put(f"sys/mounts/{path}/tune", body(new, names, old))


def _delete_mount(vault: Vault, object_id: str, state: Props) -> None:
    vault.remove(f"sys/mounts/{trimmed(state, 'path', object_id)}")


def _create_auth(vault: Vault, inputs: Props) -> str:
    path = trimmed(inputs, "path", inputs["type"])
    names = {"type": "type", "description": "description", "local": "local"}
    vault.put(f"sys/auth/{path}", {**body(inputs, names), "config": body(inputs.get("tune", {}), _AUTH_TUNE)})
    return path


def _read_auth(vault: Vault, object_id: str, inputs: Props) -> Props | None:
    path = trimmed(inputs, "path", object_id)
    live = (vault.get("sys/auth") or {}).get(f"{path}/")
    if live is None:
        return None
    return {
        "accessor": live["accessor"],
        "description": live.get("description", ""),
        "local": live.get("local", False),
        "path": path,
        "type": live["type"],
        "tune": _tune(_tuned(vault, path), live.get("config", {}), inputs.get("tune")),
    }


def _tuned(vault: Vault, path: str) -> Props:
    """Return the effective settings, without empty lists, as in the official provider."""
    live = vault.get(f"sys/auth/{path}/tune") or {}
    texts = {name: duration(live.get(_AUTH_TUNE[name], 0)) for name in ("defaultLeaseTtl", "maxLeaseTtl")}
    rest = {name: live[theirs] for name, theirs in _AUTH_TUNE.items() if name not in texts and live.get(theirs)}
    return {"listingVisibility": "", **texts, **rest}


def _tune(tuned: Props, config: Props, written: Props | None) -> Props:
    """Return the settings that the program sets, or all; an equal duration keeps the program's notation."""
    if written is None:
        return tuned
    shown: Props = {}
    for name, value in written.items():
        shown[name] = tuned.get(name, [] if isinstance(value, list) else None)
        # Zero means the server's default, which is then in force.
        if name.endswith("Ttl") and seconds(value) in (config.get(_AUTH_TUNE[name]), seconds(tuned[name])):
            shown[name] = value
    return shown


def _update_auth(vault: Vault, object_id: str, old: Props, new: Props) -> None:
    before = trimmed(old, "path", object_id)
    path = trimmed(new, "path", before)
    if path != before:
        remount(vault, f"auth/{before}", f"auth/{path}")
    tune = body(new.get("tune", {}), _AUTH_TUNE, old.get("tune", {}))
    # A removed setting falls back to the server's default, for which these two have special values.
    tune |= {name: value for name, value in _UNTUNED.items() if tune.get(name) == ""}
    vault.put(f"sys/auth/{path}/tune", {**tune, **body(new, {"description": "description"}, old)})


def _delete_auth(vault: Vault, object_id: str, state: Props) -> None:
    vault.remove(f"sys/auth/{trimmed(state, 'path', object_id)}")


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
        replace=frozenset({"type", "forceNoCache", "namespace", *_MOUNT_FIXED}),
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
        replace=frozenset({"type", "local", "namespace"}),
        filled={"disableRemount": False},
        computed=("accessor",),
        optional=("tune",),
        unsupported={"disableRemount": "this plugin always moves a login method whose path changes"},
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
