"""The compliant stack: two hospitals on AWS, Kubernetes and Vault, without findings."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from policy_pack.engine import overrides
from policy_pack.settings import Evidence, Level, Settings, load
from policy_pack.stack.external_endpoints import read
from policy_pack.stack.graph import Graph, Resource
from tests.policy import world_aws, world_cluster, world_monitoring, world_network, world_services
from tests.policy.builders import STACK, build

HOSPITALS = ("north", "south")
TODAY = date(2026, 11, 22)


def config(names: Sequence[str]) -> dict[str, Any]:
    """Return a stack's configuration, with the addresses of external endpoints and Vault's audit devices."""
    return {
        "endpoints": {"vault": {"url": "https://vault.example:8200", "network": "10.41.0.0/24"}},
        "networks": {"vpc": "10.40.0.0/16"},
        "gateway": {
            "domain": "risk.example",
            "issuer": "https://idp",
            "jwksUri": "https://idp/keys",
            "audience": "risk",
        },
        "vault": {
            "auditDevices": [
                {"name": "disk", "type": "file", "options": {"file_path": "/vault/audit.log", "mode": "0600"}},
                {"name": "collector", "type": "socket", "options": {"address": "audit.example:9000"}},
            ]
        },
        "hospitals": [
            {
                "name": name,
                "network": "10.50.0.0/24",
                "fhir": {"url": f"https://fhir.{name}.example/r4"},
                "applications": [f"{name}-ehr"],
                "contact": {"security": "told", "baa": "told"},
                "models": [{"name": "boosted", "applications": [f"{name}-research"]}],
            }
            for name in names
        ],
    }


CONFIG = config(HOSPITALS)
ADDRESSES = read(CONFIG)
ACCESS = Path(__file__).with_name("access.yaml")


# The content of a settings file, for commands; stricter than the settings of the pack.
SETTINGS_FILE: dict[str, Any] = {"synthetic": [], "exemptions": []}


def its_table() -> AbstractContextManager[object]:
    """Let commands compare with the table of access of this stack, which no settings file can name."""
    read = overrides.read
    return mock.patch.object(overrides, "read", lambda path: read(path).model_copy(update={"access": ACCESS}))


def settings() -> Settings:
    """Return settings with every control on, those of the proposed rule included."""
    done = Evidence(vulnerability_scan=TODAY, penetration_test=TODAY, compliance_audit=TODAY, inventory_review=TODAY)
    profiles = {"hipaa": Level.MANDATORY, "nprm-2025": Level.MANDATORY}
    changes = {
        "exemptions": (),
        "today": TODAY,
        "clock_problem": "",
        "evidence": done,
        "profiles": profiles,
        "access": ACCESS,
    }
    return load().model_copy(update=changes)


def vault(hospital: str) -> list[Resource]:
    """Return the Vault resources of one hospital."""
    found = [
        build("vault:index/mount:Mount", f"{hospital}-kv", {"path": f"{hospital}/kv", "type": "kv"}, protect=True),
        *(
            build(
                "vault:transit/secretBackendKey:SecretBackendKey",
                f"{hospital}-{key}",
                {"backend": f"{hospital}/transit", "name": key, "deletionAllowed": False},
                protect=True,
            )
            for key in ("pseudonym", "release-signing")
        ),
    ]
    for workload, zone, path in (
        ("ingestor", "phi", "transit/hmac/pseudonym"),
        ("trainer", "data", "transit/sign/release-signing"),
    ):
        name = f"{hospital}-{workload}"
        text = f'path "{hospital}/{path}" {{\n  capabilities = ["update"]\n}}\n'
        found += [
            build("vault:index/policy:Policy", name, {"name": name, "policy": text}),
            build(
                "vault:kubernetes/authBackendRole:AuthBackendRole",
                name,
                {
                    "roleName": name,
                    "boundServiceAccountNames": [workload],
                    "boundServiceAccountNamespaces": [f"{hospital}-{zone}"],
                    "audience": "vault",
                    "tokenPolicies": [name],
                    "tokenTtl": 900,
                    "tokenMaxTtl": 3600,
                },
            ),
        ]
    return found


def vault_roles(hospital: str) -> list[Resource]:
    """Return the database role and the PKI role of one hospital, with the connection to its database."""
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@db:5432/{hospital}?sslmode=verify-full"
    statements = [
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';",
        'GRANT SELECT ON ALL TABLES IN SCHEMA readmission TO "{{name}}";',
    ]
    return [
        build(
            "vault:database/secretBackendConnection:SecretBackendConnection",
            f"{hospital}-database",
            {
                "backend": f"{hospital}/database",
                "name": "readmission",
                "allowedRoles": ["analyst"],
                "postgresql": {
                    "connectionUrl": url,
                    "username": f"vault_{hospital}",
                    "passwordAuthentication": "scram-sha-256",
                },
            },
        ),
        build(
            "vault:database/secretBackendRole:SecretBackendRole",
            f"{hospital}-database-analyst",
            {
                "backend": f"{hospital}/database",
                "name": "analyst",
                "dbName": "readmission",
                "creationStatements": statements,
                "revocationStatements": [
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';",
                    'DROP ROLE "{{name}}";',
                ],
                "defaultTtl": 900,
                "maxTtl": 3600,
            },
        ),
        build(
            "vault:pkiSecret/secretBackendRole:SecretBackendRole",
            f"{hospital}-pki-gateway",
            {
                "backend": f"{hospital}/pki",
                "name": "gateway",
                "allowedDomains": [f"{hospital}.example"],
                "allowBareDomains": True,
                "allowLocalhost": False,
                "allowIpSans": False,
                "serverFlag": True,
                "clientFlag": False,
                "keyType": "ec",
                "keyBits": 256,
                "keyUsages": ["DigitalSignature"],
                "ttl": "86400",
                "maxTtl": "2592000",
            },
        ),
    ]


def _vault_platform() -> list[Resource]:
    return [
        build("vault:index/authBackend:AuthBackend", "kubernetes", {"type": "kubernetes", "path": "kubernetes"}),
        build(
            "vault:index/authBackend:AuthBackend",
            "people",
            {"type": "userpass", "path": "people", "accessor": "auth_1"},
        ),
        build("vault:index/quotaRateLimit:QuotaRateLimit", "logins", {"path": "auth/people", "rate": 5}),
        build("vault:identity/mfaLoginEnforcement:MfaLoginEnforcement", "people", {"authMethodTypes": ["userpass"]}),
        build(
            "vault:kubernetes/authBackendConfig:AuthBackendConfig",
            "kubernetes",
            {"backend": "kubernetes", "disableLocalCaJwt": True, "kubernetesCaCert": "authority"},
        ),
        build(
            "vault:jwt/authBackend:AuthBackend",
            "ci",
            {"path": "ci", "boundIssuer": "https://idp", "jwtSupportedAlgs": ["RS256", "ES384"]},
        ),
        build(
            "vault:jwt/authBackendRole:AuthBackendRole",
            "ci",
            {"roleType": "oidc", "boundAudiences": ["vault"], "tokenTtl": 600, "tokenMaxTtl": 900},
        ),
    ]


def platform(hospitals: tuple[str, ...] = HOSPITALS) -> list[Resource]:
    """Return the shared resources: audit logs, backups and monitoring."""
    return [
        *world_aws.identity(),
        *world_network.network(),
        *world_services.cluster(),
        *world_services.stores(),
        *world_monitoring.watchers(hospitals),
        *world_services.backups(hospitals),
        *world_cluster.platform(),
        *_vault_platform(),
    ]


@cache
def resources() -> tuple[Resource, ...]:
    """Return every resource of the stack."""
    own = [
        resource
        for name in HOSPITALS
        for resource in (*world_aws.hospital(name), *world_cluster.hospital(name), *vault(name), *vault_roles(name))
    ]
    return (*platform(), *own)


def graph() -> Graph:
    """Return the graph of the stack."""
    return Graph(resources(), STACK)
