"""Rows of the vault plugin for the Kubernetes auth method, and transit keys."""

from typing import Any, Final

from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row
from local.plugins.vault.vault_api import Names, PathOf, Vault, body, pick, text, trimmed


def simple(
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

    def read(vault: Vault, object_id: str, inputs: Props) -> Props | None:
        live = vault.get(object_id)
        if live is None:
            return None
        return {**{name: inputs[name] for name in identity if name in inputs}, **pick(live, names)}

    def update(vault: Vault, object_id: str, old: Props, new: Props) -> None:
        vault.put(object_id, body(new, names, old))

    def delete(vault: Vault, object_id: str, _state: Props) -> None:
        vault.remove(object_id)

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


def _identify_login_role(object_id: str) -> Props:
    backend, _, name = object_id.removeprefix("auth/").rpartition("/role/")
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
    object_id = f"{trimmed(inputs, 'backend')}/keys/{inputs['name']}"
    once = {"exportable": "exportable", "allowPlaintextBackup": "allow_plaintext_backup"}
    vault.put(object_id, body(inputs, {**_KEY_FIXED, **once}))
    config = body(inputs, _KEY_CONFIG)
    if config:
        vault.put(f"{object_id}/config", config)
    return object_id


def _read_key(vault: Vault, object_id: str, inputs: Props) -> Props | None:
    live = vault.get(object_id)
    if live is None:
        return None
    backend, _, name = object_id.rpartition("/keys/")
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
        return {name: text(value) for name, value in version.items() if value is not None}
    return {"id": str(version)}


def _update_key(vault: Vault, object_id: str, old: Props, new: Props) -> None:
    vault.put(f"{object_id}/config", body(new, _KEY_CONFIG, old))


def _delete_key(vault: Vault, object_id: str, _state: Props) -> None:
    vault.remove(object_id)


ROWS: Final[tuple[Row[Vault], ...]] = (
    simple(
        "vault:kubernetes/authBackendConfig:AuthBackendConfig",
        lambda inputs: f"auth/{trimmed(inputs, 'backend', 'kubernetes')}/config",
        _KUBERNETES_CONFIG,
        # Vault has no call that deletes it: it is removed with its auth method.
        keep_when_deleted=True,
        identity=("backend",),
        required=("kubernetesHost",),
        defaults={"backend": "kubernetes"},
        write_only=frozenset({"tokenReviewerJwt", "tokenReviewerJwtWo", "tokenReviewerJwtWoVersion"}),
        secret=("tokenReviewerJwt", "tokenReviewerJwtWo"),
        identify=lambda path: {"backend": path.removeprefix("auth/").removesuffix("/config")},
    ),
    simple(
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
)
