"""Rows of the vault plugin for PKI: certificate authorities, roles and revocation lists."""

from typing import Final

import hvac

from local.plugins.provider.common import PluginError, Props
from local.plugins.provider.rows import Row
from local.plugins.vault.kubernetes_auth import simple
from local.plugins.vault.vault_api import Names, Vault, body, pick, seconds, trimmed

_ROOT: Final[Names] = {
    "commonName": "common_name",
    "issuerName": "issuer_name",
    "keyBits": "key_bits",
    "keyName": "key_name",
    "keyType": "key_type",
    "maxPathLength": "max_path_length",
    "organization": "organization",
    "ou": "ou",
    "country": "country",
    "ttl": "ttl",
}
_ROLE: Final[Names] = {
    "allowAnyName": "allow_any_name",
    "allowBareDomains": "allow_bare_domains",
    "allowGlobDomains": "allow_glob_domains",
    "allowIpSans": "allow_ip_sans",
    "allowLocalhost": "allow_localhost",
    "allowSubdomains": "allow_subdomains",
    "allowWildcardCertificates": "allow_wildcard_certificates",
    "allowedDomains": "allowed_domains",
    "allowedUriSans": "allowed_uri_sans",
    "clientFlag": "client_flag",
    "enforceHostnames": "enforce_hostnames",
    "extKeyUsages": "ext_key_usage",
    "keyBits": "key_bits",
    "keyType": "key_type",
    "keyUsages": "key_usage",
    "maxTtl": "max_ttl",
    "noStore": "no_store",
    "requireCn": "require_cn",
    "serverFlag": "server_flag",
    "ttl": "ttl",
}
_LISTS: Final[Names] = {"autoRebuild": "auto_rebuild", "disable": "disable", "expiry": "expiry"}
# Defaults of the official provider, which replaces a CA whose state lacks one.
_ROOT_FILLED: Final = {
    "format": "pem",
    "keyBits": 2048,
    "keyType": "rsa",
    "maxPathLength": -1,
    "notBeforeDuration": "30s",
    "privateKeyFormat": "der",
}
_ROLE_FILLED: Final = {
    "allowIpSans": True,
    "allowLocalhost": True,
    "allowWildcardCertificates": True,
    "allowedDomainsTemplate": False,
    "basicConstraintsValidForNonCa": False,
    "cnValidations": ["email", "hostname"],
    "codeSigningFlag": False,
    "emailProtectionFlag": False,
    "enforceHostnames": True,
    "generateLease": False,
    "issuerRef": "default",
    "notBeforeDuration": "30s",
    "useCsrCommonName": True,
    "useCsrSans": True,
}
_TOLD: Final = ("certificate", "issuerId", "issuingCa", "keyId", "serialNumber")


# --- authorities -------------------------------------------------------------------------
def _create_root(vault: Vault, inputs: Props) -> str:
    if inputs["type"] != "internal":
        raise PluginError(
            f"the authority of {inputs['backend']} is of type {inputs['type']}: this plugin supports only "
            "internal ones, whose key never leaves Vault"
        )
    backend = trimmed(inputs, "backend")
    object_id = vault.put(f"{backend}/root/generate/internal", body(inputs, _ROOT))
    return f"{backend}/issuer/{object_id['data']['issuer_id']}"


def _read_root(vault: Vault, object_id: str, inputs: Props) -> Props | None:
    try:
        live = vault.get(object_id)
    except hvac.exceptions.InternalServerError as error:
        # Message of Vault and OpenBao for a missing issuer.
        if "unable to find PKI issuer" not in str(error):
            raise
        return None
    if live is None:
        return None
    backend, _, issuer = object_id.rpartition("/issuer/")
    certificate = vault.get(f"{backend}/cert/{issuer}") or {}
    return {
        **inputs,
        "backend": backend,
        "certificate": live["certificate"],
        "issuerId": issuer,
        "issuingCa": live["certificate"],
        "keyId": live.get("key_id"),
        "serialNumber": live.get("serial_number") or certificate.get("serial_number"),
    }


def _delete(vault: Vault, object_id: str, _state: Props) -> None:
    vault.remove(object_id)


# --- roles --------------------------------------------------------------------------------
def _shown_role(live: Props) -> Props:
    shown = pick(live, _ROLE)
    # Durations are strings in the program and seconds on the server.
    return {name: str(value) if name in ("ttl", "maxTtl") else value for name, value in shown.items()}


def _create_role(vault: Vault, inputs: Props) -> str:
    object_id = f"{trimmed(inputs, 'backend')}/roles/{inputs['name']}"
    vault.put(object_id, body(inputs, _ROLE))
    return object_id


def _read_role(vault: Vault, object_id: str, inputs: Props) -> Props | None:
    live = vault.get(object_id)
    if live is None:
        return None
    backend, _, name = object_id.rpartition("/roles/")
    return {"backend": inputs.get("backend", backend), "name": name, **_shown_role(live)}


def _update_role(vault: Vault, object_id: str, old: Props, new: Props) -> None:
    vault.put(object_id, body(new, _ROLE, old))


ROWS: Final[tuple[Row[Vault], ...]] = (
    Row(
        "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
        _create_root,
        _read_root,
        None,
        _delete,
        required=("backend", "commonName", "type"),
        filled=_ROOT_FILLED,
        computed=_TOLD,
    ),
    Row(
        "vault:pkiSecret/secretBackendRole:SecretBackendRole",
        _create_role,
        _read_role,
        _update_role,
        _delete,
        required=("backend",),
        replace=frozenset({"backend", "name", "namespace"}),
        filled=_ROLE_FILLED,
        autoname="name",
        normalisers={"ttl": seconds, "maxTtl": seconds},
        unordered=frozenset({"allowedDomains", "allowedUriSans", "keyUsages", "extKeyUsages"}),
    ),
    simple(
        "vault:pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig",
        lambda inputs: f"{trimmed(inputs, 'backend')}/config/crl",
        _LISTS,
        keep_when_deleted=True,
        identity=("backend",),
        required=("backend",),
        normalisers={"expiry": seconds},
    ),
)
