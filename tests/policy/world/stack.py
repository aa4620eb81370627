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
from tests.policy.builders import STACK
from tests.policy.world import aws, backups, cluster, eks, monitoring, network, stores, vault

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


def platform(hospitals: tuple[str, ...] = HOSPITALS) -> list[Resource]:
    """Return the shared resources: audit logs, backups and monitoring."""
    return [
        *aws.identity(),
        *network.network(),
        *eks.cluster(),
        *stores.stores(),
        *monitoring.watchers(hospitals),
        *backups.backups(hospitals),
        *cluster.platform(),
        *vault.platform(),
    ]


@cache
def resources() -> tuple[Resource, ...]:
    """Return every resource of the stack."""
    own = [
        resource
        for name in HOSPITALS
        for resource in (*aws.hospital(name), *cluster.hospital(name), *vault.hospital(name), *vault.roles(name))
    ]
    return (*platform(), *own)


def graph() -> Graph:
    """Return the graph of the stack."""
    return Graph(resources(), STACK)
