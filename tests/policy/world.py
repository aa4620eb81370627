"""A whole stack as it should be: two hospitals on AWS, Kubernetes and Vault, with nothing for any control to find."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any

from policy_pack.settings import Evidence, Level, Settings, load
from policy_pack.stack.external_endpoints import read
from policy_pack.stack.graph import Graph, Resource
from tests.policy import world_aws, world_cluster, world_services
from tests.policy.made import STACK, made

HOSPITALS = ("north", "south")
TODAY = date(2026, 11, 22)


def config(names: Sequence[str]) -> dict[str, Any]:
    """Return what a stack's file says of the servers outside of the cluster."""
    return {
        "endpoints": {"vault": {"url": "https://vault.example:8200", "network": "10.41.0.0/24"}},
        "networks": {"vpc": "10.40.0.0/16"},
        "gateway": {"domain": "risk.example"},
        "hospitals": [
            {"name": name, "network": "10.50.0.0/24", "fhir": {"url": f"https://fhir.{name}.example/r4"}}
            for name in names
        ],
    }


CONFIG = config(HOSPITALS)
ADDRESSES = read(CONFIG)


def settings() -> Settings:
    """Return settings that hold every control, the proposal's included."""
    done = Evidence(vulnerability_scan=TODAY, penetration_test=TODAY, compliance_audit=TODAY)
    profiles = {"hipaa": Level.MANDATORY, "nprm-2025": Level.MANDATORY}
    return load().model_copy(update={"exemptions": (), "today": TODAY, "evidence": done, "profiles": profiles})


def vault(hospital: str) -> list[Resource]:
    """Return what one hospital has in Vault."""
    found = [
        made("vault:index/mount:Mount", f"{hospital}-kv", {"path": f"{hospital}/kv", "type": "kv"}, protect=True),
        made(
            "vault:transit/secretBackendKey:SecretBackendKey",
            f"{hospital}-pseudonym",
            {"backend": f"{hospital}/transit", "name": "pseudonym", "deletionAllowed": False},
            protect=True,
        ),
    ]
    for workload, zone, path in (
        ("ingestor", "phi", "transit/hmac/pseudonym"),
        ("trainer", "data", "transit/sign/release-signing"),
    ):
        name = f"{hospital}-{workload}"
        text = f'path "{hospital}/{path}" {{\n  capabilities = ["update"]\n}}\n'
        found += [
            made("vault:index/policy:Policy", name, {"name": name, "policy": text}),
            made(
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


def _vault_platform() -> list[Resource]:
    return [
        made("vault:index/authBackend:AuthBackend", "kubernetes", {"type": "kubernetes", "path": "kubernetes"}),
        made(
            "vault:index/authBackend:AuthBackend",
            "people",
            {"type": "userpass", "path": "people", "accessor": "auth_1"},
        ),
        made("vault:index/quotaRateLimit:QuotaRateLimit", "logins", {"path": "auth/people", "rate": 5}),
        made("vault:identity/mfaLoginEnforcement:MfaLoginEnforcement", "people", {"authMethodTypes": ["userpass"]}),
        made(
            "vault:kubernetes/authBackendConfig:AuthBackendConfig",
            "kubernetes",
            {"backend": "kubernetes", "disableLocalCaJwt": True},
        ),
        made(
            "vault:jwt/authBackend:AuthBackend",
            "ci",
            {"path": "ci", "boundIssuer": "https://idp", "jwtSupportedAlgs": ["RS256", "ES384"]},
        ),
        made(
            "vault:jwt/authBackendRole:AuthBackendRole",
            "ci",
            {"roleType": "oidc", "boundAudiences": ["vault"], "tokenTtl": 600, "tokenMaxTtl": 900},
        ),
        made("vault:index/audit:Audit", "file", {"type": "file", "options": {"file_path": "/vault/audit.log"}}),
        made("vault:index/audit:Audit", "socket", {"type": "socket", "options": {"address": "audit:9000"}}),
    ]


def platform(hospitals: tuple[str, ...] = HOSPITALS) -> list[Resource]:
    """Return what no hospital owns; it records and backs up what hospitals own."""
    return [
        *world_aws.identity(),
        *world_aws.network(),
        *world_services.cluster(),
        *world_services.stores(),
        *world_services.watchers(hospitals),
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
        for resource in (*world_aws.hospital(name), *world_cluster.hospital(name), *vault(name))
    ]
    return (*platform(), *own)


def graph() -> Graph:
    """Return the graph of the stack."""
    return Graph(resources(), STACK)
