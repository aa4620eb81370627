"""Rows of the vault plugin: what lies inside mounts (login roles, transit keys, secrets, database roles)."""

import json
from typing import Any, Final

from local.plugins.common import PluginError, Props
from local.plugins.tables import Row
from local.plugins.vault_api import Names, PathOf, Vault, body, pick, seconds, trimmed


def _simple(
    token: str,
    path: PathOf,
    names: Names,
    *,
    keep_when_deleted: bool = False,
    identity: tuple[str, ...] = (),
    **settings: Any,
) -> Row[Vault]:
    """Return the row of an object that is written, read and deleted at one path, which is also its id."""

    def create(vault: Vault, inputs: Props) -> str:
        vault.put(path(inputs), body(inputs, names))
        return path(inputs)

    def read(vault: Vault, made: str, inputs: Props) -> Props | None:
        live = vault.get(made)
        if live is None:
            return None
        return {**{name: inputs[name] for name in identity if name in inputs}, **pick(live, names)}

    def update(vault: Vault, made: str, old: Props, new: Props) -> None:
        vault.put(made, body(new, names, old))

    def delete(vault: Vault, made: str, _state: Props) -> None:
        vault.remove(made)

    replace = frozenset({*identity, "namespace"})
    return Row(token, create, read, update, None if keep_when_deleted else delete, replace=replace, **settings)


_KUBERNETES_CONFIG: Final[Names] = {
    "kubernetesHost": "kubernetes_host",
    "kubernetesCaCert": "kubernetes_ca_cert",
    "tokenReviewerJwt": "token_reviewer_jwt",
    "pemKeys": "pem_keys",
    "issuer": "issuer",
    "disableIssValidation": "disable_iss_validation",
    "disableLocalCaJwt": "disable_local_ca_jwt",
    "useAnnotationsAsAliasMetadata": "use_annotations_as_alias_metadata",
}
_KUBERNETES_ROLE: Final[Names] = {
    "boundServiceAccountNames": "bound_service_account_names",
    "boundServiceAccountNamespaces": "bound_service_account_namespaces",
    "boundServiceAccountNamespaceSelector": "bound_service_account_namespace_selector",
    "audience": "audience",
    "aliasNameSource": "alias_name_source",
    "tokenBoundCidrs": "token_bound_cidrs",
    "tokenExplicitMaxTtl": "token_explicit_max_ttl",
    "tokenMaxTtl": "token_max_ttl",
    "tokenNoDefaultPolicy": "token_no_default_policy",
    "tokenNumUses": "token_num_uses",
    "tokenPeriod": "token_period",
    "tokenPolicies": "token_policies",
    "tokenTtl": "token_ttl",
    "tokenType": "token_type",
}
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


def _identify_login_role(made: str) -> Props:
    backend, _, name = made.removeprefix("auth/").rpartition("/role/")
    return {"backend": backend, "roleName": name}


# --- transit -----------------------------------------------------------------------------
_KEY_FIXED: Final[Names] = {
    "type": "type",
    "derived": "derived",
    "convergentEncryption": "convergent_encryption",
    "keySize": "key_size",
    "context": "context",
}
_KEY_CONFIG: Final[Names] = {
    "minDecryptionVersion": "min_decryption_version",
    "minEncryptionVersion": "min_encryption_version",
    "deletionAllowed": "deletion_allowed",
    "exportable": "exportable",
    "allowPlaintextBackup": "allow_plaintext_backup",
    "autoRotatePeriod": "auto_rotate_period",
}


def _create_key(vault: Vault, inputs: Props) -> str:
    made = f"{trimmed(inputs, 'backend')}/keys/{inputs['name']}"
    once = {"exportable": "exportable", "allowPlaintextBackup": "allow_plaintext_backup"}
    vault.put(made, body(inputs, {**_KEY_FIXED, **once}))
    config = body(inputs, _KEY_CONFIG)
    if config:
        vault.put(f"{made}/config", config)
    return made


def _read_key(vault: Vault, made: str, inputs: Props) -> Props | None:
    live = vault.get(made)
    if live is None:
        return None
    backend, _, name = made.rpartition("/keys/")
    derived = bool(live.get("derived"))
    return {
        "backend": inputs.get("backend", backend),
        "name": name,
        **pick(live, _KEY_CONFIG),
        "type": live["type"],
        "derived": derived,
        "convergentEncryption": bool(live.get("convergent_encryption")),
        "keySize": live.get("key_size") or inputs.get("keySize", 0),
        "keys": [
            _key_version(version)
            for _, version in sorted((live.get("keys") or {}).items(), key=lambda pair: int(pair[0]))
        ],
        "latestVersion": live.get("latest_version", 0),
        "minAvailableVersion": live.get("min_available_version", 0),
        "supportsDecryption": live.get("supports_decryption", False),
        "supportsDerivation": live.get("supports_derivation", False),
        "supportsEncryption": live.get("supports_encryption", False),
        "supportsSigning": live.get("supports_signing", False),
    }


def _key_version(version: Any) -> Props:
    if isinstance(version, dict):
        return {name: _text(value) for name, value in version.items() if value is not None}
    return {"id": str(version)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _update_key(vault: Vault, made: str, old: Props, new: Props) -> None:
    vault.put(f"{made}/config", body(new, _KEY_CONFIG, old))


def _delete_key(vault: Vault, made: str, _state: Props) -> None:
    vault.remove(made)


# --- key-value secrets -------------------------------------------------------------------
def _create_secret(vault: Vault, inputs: Props) -> str:
    made = f"{trimmed(inputs, 'mount')}/data/{trimmed(inputs, 'name')}"
    _write_secret(vault, made, {}, inputs)
    return made


def _write_secret(vault: Vault, made: str, old: Props, new: Props) -> None:
    if "dataJson" not in new:
        raise PluginError(f"the secret {made} has no dataJson, the only form of data that this plugin knows")
    if old.get("dataJson") != new["dataJson"]:
        options = {**new.get("options", {}), **({"cas": new["cas"]} if "cas" in new else {})}
        vault.put(made, {"data": _json_object(new["dataJson"], made), "options": options or None})
    if old.get("customMetadata") != new.get("customMetadata"):
        names = {"maxVersions": "max_versions", "casRequired": "cas_required", "data": "custom_metadata"}
        sent = body(new.get("customMetadata", {}), names, old.get("customMetadata", {}))
        if "deleteVersionAfter" in new.get("customMetadata", {}):
            sent["delete_version_after"] = f"{new['customMetadata']['deleteVersionAfter']}s"
        vault.put(made.replace("/data/", "/metadata/", 1), sent)


def _json_object(text: str, made: str) -> Props:

    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PluginError(f"the dataJson of the secret {made} is no JSON object")
    return found


def _read_secret(vault: Vault, made: str, inputs: Props) -> Props | None:

    if inputs.get("disableRead"):
        return {"path": made}
    live = vault.get(made)
    if live is None or live.get("data") is None:
        return None
    mount, _, name = made.partition("/data/")
    data = {key: _text(value) for key, value in live["data"].items()}
    shown = {key: _text(value) for key, value in live.get("metadata", {}).items() if not isinstance(value, dict | None)}
    return {
        "mount": inputs.get("mount", mount),
        "name": inputs.get("name", name),
        "path": made,
        "data": data,
        "dataJson": json.dumps(live["data"], separators=(",", ":"), sort_keys=True),
        "metadata": shown,
    }


def _delete_secret(vault: Vault, made: str, state: Props) -> None:
    vault.remove(made.replace("/data/", "/metadata/", 1) if state.get("deleteAllVersions") else made)


def _create_kv(vault: Vault, inputs: Props) -> str:
    made = f"{trimmed(inputs, 'mount')}/config"
    _update_kv(vault, made, {}, inputs)
    return made


def _update_kv(vault: Vault, made: str, old: Props, new: Props) -> None:
    sent = body(new, {"maxVersions": "max_versions", "casRequired": "cas_required"}, old)
    if "deleteVersionAfter" in {**old, **new}:
        sent["delete_version_after"] = f"{new.get('deleteVersionAfter', 0)}s"
    vault.put(made, sent)


def _read_kv(vault: Vault, made: str, inputs: Props) -> Props | None:
    live = vault.get(made)
    if live is None:
        return None
    return {
        "mount": inputs.get("mount", made.removesuffix("/config")),
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
    made = f"{trimmed(inputs, 'backend')}/config/{inputs['name']}"
    _update_connection(vault, made, {}, inputs)
    return made


def _update_connection(vault: Vault, made: str, old: Props, new: Props) -> None:
    if "postgresql" not in new:
        raise PluginError(f"the database connection {made} has no postgresql block, the only engine of this plugin")
    engine = body(new["postgresql"], {**_POSTGRESQL, **_POSTGRESQL_SECRET}, old.get("postgresql", {}))
    plugin = new.get("pluginName", "postgresql-database-plugin")
    verify = new.get("verifyConnection", True)
    vault.put(made, {"plugin_name": plugin, "verify_connection": verify, **body(new, _CONNECTION, old), **engine})


def _read_connection(vault: Vault, made: str, inputs: Props) -> Props | None:
    live = vault.get(made)
    if live is None:
        return None
    backend, _, name = made.rpartition("/config/")
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


def _delete_path(vault: Vault, made: str, _state: Props) -> None:
    vault.remove(made)


ROWS: Final[tuple[Row[Vault], ...]] = (
    _simple(
        "vault:kubernetes/authBackendConfig:AuthBackendConfig",
        lambda inputs: f"auth/{trimmed(inputs, 'backend', 'kubernetes')}/config",
        _KUBERNETES_CONFIG,
        # Vault has no call that unsets it: it goes with its login method.
        keep_when_deleted=True,
        identity=("backend",),
        required=("kubernetesHost",),
        defaults={"backend": "kubernetes"},
        write_only=frozenset({"tokenReviewerJwt", "tokenReviewerJwtWo", "tokenReviewerJwtWoVersion"}),
        secret=("tokenReviewerJwt", "tokenReviewerJwtWo"),
        identify=lambda made: {"backend": made.removeprefix("auth/").removesuffix("/config")},
    ),
    _simple(
        "vault:kubernetes/authBackendRole:AuthBackendRole",
        lambda inputs: f"auth/{trimmed(inputs, 'backend', 'kubernetes')}/role/{inputs['roleName']}",
        _KUBERNETES_ROLE,
        identity=("backend", "roleName"),
        required=("boundServiceAccountNames", "roleName"),
        defaults={"backend": "kubernetes"},
        unordered=frozenset(
            {"boundServiceAccountNames", "boundServiceAccountNamespaces", "tokenPolicies", "tokenBoundCidrs"}
        ),
        identify=_identify_login_role,
    ),
    Row(
        "vault:transit/secretBackendKey:SecretBackendKey",
        _create_key,
        _read_key,
        _update_key,
        _delete_key,
        required=("backend",),
        replace=frozenset({"backend", "name", "namespace", *_KEY_FIXED}),
        defaults={"type": "aes256-gcm96"},
        autoname="name",
        computed=(
            "keys",
            "latestVersion",
            "minAvailableVersion",
            "supportsDecryption",
            "supportsDerivation",
            "supportsEncryption",
            "supportsSigning",
        ),
    ),
    Row(
        "vault:kv/secretV2:SecretV2",
        _create_secret,
        _read_secret,
        _write_secret,
        _delete_secret,
        required=("mount",),
        replace=frozenset({"mount", "name", "namespace"}),
        autoname="name",
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
        autoname="name",
        secret=("postgresql.password", "postgresql.privateKey"),
    ),
    _simple(
        "vault:database/secretBackendRole:SecretBackendRole",
        lambda inputs: f"{trimmed(inputs, 'backend')}/roles/{inputs['name']}",
        _DATABASE_ROLE,
        identity=("backend", "name"),
        required=("backend", "creationStatements", "dbName"),
        autoname="name",
    ),
)
