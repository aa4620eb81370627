"""Rows of the vault plugin for key-value secrets, and database connections and roles."""

import json
from typing import Final

from local.plugins.provider.common import PluginError, Props
from local.plugins.provider.rows import Row
from local.plugins.vault.kubernetes_auth import simple
from local.plugins.vault.vault_api import Names, Vault, body, pick, seconds, text, trimmed

_DATABASE_ROLE: Final[Names] = {
    "dbName": "db_name",
    "creationStatements": "creation_statements",
    "revocationStatements": "revocation_statements",
    "rollbackStatements": "rollback_statements",
    "renewStatements": "renew_statements",
    "defaultTtl": "default_ttl",
    "maxTtl": "max_ttl",
    "credentialType": "credential_type",
    "credentialConfig": "credential_config",
}


# --- key-value secrets -------------------------------------------------------------------
def _create_secret(vault: Vault, inputs: Props) -> str:
    object_id = f"{trimmed(inputs, 'mount')}/data/{trimmed(inputs, 'name')}"
    _write_secret(vault, object_id, {}, inputs)
    return object_id


def _write_secret(vault: Vault, object_id: str, old: Props, new: Props) -> None:
    if "dataJson" not in new:
        raise PluginError(f"the secret {object_id} has no dataJson, the only form of data that this plugin supports")
    if old.get("dataJson") != new["dataJson"]:
        options = {**new.get("options", {}), **({"cas": new["cas"]} if "cas" in new else {})}
        vault.put(object_id, {"data": _json_object(new["dataJson"], object_id), "options": options or None})
    if old.get("customMetadata") != new.get("customMetadata"):
        names = {"maxVersions": "max_versions", "casRequired": "cas_required", "data": "custom_metadata"}
        sent = body(new.get("customMetadata", {}), names, old.get("customMetadata", {}))
        if "deleteVersionAfter" in new.get("customMetadata", {}):
            sent["delete_version_after"] = f"{new['customMetadata']['deleteVersionAfter']}s"
        vault.put(object_id.replace("/data/", "/metadata/", 1), sent)


def _json_object(text: str, object_id: str) -> Props:

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise PluginError(f"the dataJson of the secret {object_id} is not a JSON object")
    return value


def _read_secret(vault: Vault, object_id: str, inputs: Props) -> Props | None:

    if inputs.get("disableRead"):
        return {"path": object_id}
    live = vault.get(object_id)
    if live is None or live.get("data") is None:
        return None
    mount, _, name = object_id.partition("/data/")
    data = {key: text(value) for key, value in live["data"].items()}
    shown = {key: text(value) for key, value in live.get("metadata", {}).items() if not isinstance(value, dict | None)}
    return {
        "mount": inputs.get("mount", mount),
        "name": inputs.get("name", name),
        "path": object_id,
        "data": data,
        "dataJson": json.dumps(live["data"], separators=(",", ":"), sort_keys=True),
        "metadata": shown,
    }


def _delete_secret(vault: Vault, object_id: str, state: Props) -> None:
    vault.remove(object_id.replace("/data/", "/metadata/", 1) if state.get("deleteAllVersions") else object_id)


def _create_kv(vault: Vault, inputs: Props) -> str:
    object_id = f"{trimmed(inputs, 'mount')}/config"
    _update_kv(vault, object_id, {}, inputs)
    return object_id


def _update_kv(vault: Vault, object_id: str, old: Props, new: Props) -> None:
    sent = body(new, {"maxVersions": "max_versions", "casRequired": "cas_required"}, old)
    if "deleteVersionAfter" in {**old, **new}:
        sent["delete_version_after"] = f"{new.get('deleteVersionAfter', 0)}s"
    vault.put(object_id, sent)


def _read_kv(vault: Vault, object_id: str, inputs: Props) -> Props | None:
    live = vault.get(object_id)
    if live is None:
        return None
    return {
        "mount": inputs.get("mount", object_id.removesuffix("/config")),
        "maxVersions": live.get("max_versions", 0),
        "casRequired": live.get("cas_required", False),
        "deleteVersionAfter": seconds(live.get("delete_version_after") or 0),
    }


# --- databases ---------------------------------------------------------------------------
_CONNECTION: Final[Names] = {
    "allowedRoles": "allowed_roles",
    "rootRotationStatements": "root_credentials_rotate_statements",
    "passwordPolicy": "password_policy",
}
_POSTGRESQL: Final[Names] = {
    "connectionUrl": "connection_url",
    "username": "username",
    "maxOpenConnections": "max_open_connections",
    "maxIdleConnections": "max_idle_connections",
    "maxConnectionLifetime": "max_connection_lifetime",
    "usernameTemplate": "username_template",
    "passwordAuthentication": "password_authentication",
    "disableEscaping": "disable_escaping",
    "tlsCa": "tls_ca",
}
_POSTGRESQL_SECRET: Final[Names] = {"password": "password", "privateKey": "private_key"}


def _create_connection(vault: Vault, inputs: Props) -> str:
    object_id = f"{trimmed(inputs, 'backend')}/config/{inputs['name']}"
    _update_connection(vault, object_id, {}, inputs)
    return object_id


def _update_connection(vault: Vault, object_id: str, old: Props, new: Props) -> None:
    if "postgresql" not in new:
        raise PluginError(
            f"the database connection {object_id} has no postgresql block, the only engine of this plugin"
        )
    engine = body(new["postgresql"], {**_POSTGRESQL, **_POSTGRESQL_SECRET}, old.get("postgresql", {}))
    plugin = new.get("pluginName", "postgresql-database-plugin")
    verify = new.get("verifyConnection", True)
    vault.put(object_id, {"plugin_name": plugin, "verify_connection": verify, **body(new, _CONNECTION, old), **engine})


def _read_connection(vault: Vault, object_id: str, inputs: Props) -> Props | None:
    live = vault.get(object_id)
    if live is None:
        return None
    backend, _, name = object_id.rpartition("/config/")
    details = live.get("connection_details", {})
    written = inputs.get("postgresql", {})
    engine = {ours: value for ours, value in pick(details, _POSTGRESQL).items() if value is not None}
    return {
        "backend": inputs.get("backend", backend),
        "name": name,
        "pluginName": live.get("plugin_name"),
        **pick(live, _CONNECTION),
        "postgresql": {
            **{ours: value for ours, value in engine.items() if ours in written or not written},
            **{ours: written[ours] for ours in _POSTGRESQL_SECRET if ours in written},
        },
    }


def _delete_path(vault: Vault, object_id: str, _state: Props) -> None:
    vault.remove(object_id)


ROWS: Final[tuple[Row[Vault], ...]] = (
    Row(
        "vault:kv/secretV2:SecretV2",
        _create_secret,
        _read_secret,
        _write_secret,
        _delete_secret,
        required=("mount",),
        replace=frozenset({"mount", "name", "namespace"}),
        autoname="name",
        filled={"deleteAllVersions": False, "disableRead": False},
        computed=("data", "metadata", "path"),
        volatile=("data", "metadata"),
        json=frozenset({"dataJson"}),
        secret=("data", "dataJson", "dataJsonWo"),
    ),
    Row(
        "vault:kv/secretBackendV2:SecretBackendV2",
        _create_kv,
        _read_kv,
        _update_kv,
        required=("mount",),
        replace=frozenset({"mount", "namespace"}),
    ),
    Row(
        "vault:database/secretBackendConnection:SecretBackendConnection",
        _create_connection,
        _read_connection,
        _update_connection,
        _delete_path,
        required=("backend",),
        replace=frozenset({"backend", "name", "namespace"}),
        defaults={"verifyConnection": True},
        filled={"postgresql": {"maxOpenConnections": 2, "passwordAuthentication": "password"}},
        autoname="name",
        secret=("postgresql.password", "postgresql.privateKey"),
    ),
    simple(
        "vault:database/secretBackendRole:SecretBackendRole",
        lambda inputs: f"{trimmed(inputs, 'backend')}/roles/{inputs['name']}",
        _DATABASE_ROLE,
        identity=("backend", "name"),
        required=("backend", "creationStatements", "dbName"),
        autoname="name",
    ),
)
