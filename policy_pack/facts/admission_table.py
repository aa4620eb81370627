"""The admission table, read as data: the rules that ValidatingAdmissionPolicies must have, and their values."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from policy_pack import tables
from policy_pack.facts.zone_table import TABLE as ZONES
from policy_pack.facts.zone_table import WORKLOADS, pool_table, zones

TABLE = ZONES.parent / "admission" / "admission.yaml"
AWS_AUDIENCE = "sts.amazonaws.com"
# A projected token without an audience is for the API server.
API_SERVER = ""
_PLAIN_GROUPS = ("apps", "batch", "policy")
_GATEWAY = "gateway"


@dataclass(frozen=True)
class RequiredPolicy:
    """Required admission policy: the requests it matches, its match condition, and its rules.

    Parameters
    ----------
    name
        The name in the table.
    resources
        API group and resource of the requests, with subresource.
    operations
        Their operations.
    condition
        The only condition that a policy may have; None for none.
    rules
        CEL expressions by the name of the rule.
    variables
        CEL expressions of the variables; None for those with a value.
    everywhere
        Whether they concern the whole cluster, and not the namespaces of zones alone.
    """

    name: str
    resources: frozenset[tuple[str, str]]
    operations: frozenset[str]
    condition: str | None
    rules: Mapping[str, str]
    variables: Mapping[str, str | None]
    everywhere: bool


@dataclass(frozen=True)
class AdmissionTable:
    """The admission table.

    Parameters
    ----------
    policies
        The required policies.
    accounts
        The label of the pods of each ServiceAccount, by zone.
    accounts_of_people
        ServiceAccounts as which people log in to Vault, and that no pod may use, by zone.
    audiences
        Audiences of projected tokens, by ServiceAccount.
    priorities
        Priority classes of the pods of each ServiceAccount.
    gateway_zone, gateway_registries, gateway_images
        Where gateways run, the beginnings of their images' names, and their images without digest.
    people
        Groups that may be deployers or administrators.
    kserve
        Users that KServe may have.
    agent_scripts
        Commands by which an injector starts Vault's agent.
    constants
        Values that are the same in all stacks, by variable.
    """

    policies: tuple[RequiredPolicy, ...]
    accounts: Mapping[str, Mapping[str, str]]
    accounts_of_people: Mapping[str, frozenset[str]]
    audiences: Mapping[str, tuple[str, ...]]
    priorities: Mapping[str, tuple[str, ...]]
    gateway_zone: str
    gateway_registries: tuple[str, ...]
    gateway_images: tuple[str, ...]
    people: frozenset[str]
    kserve: frozenset[str]
    agent_scripts: frozenset[str]
    constants: Mapping[str, Any]


def read(path: Path, workloads: Path = WORKLOADS) -> AdmissionTable:
    """Read the admission table, with the ServiceAccounts of the workload table.

    Raises
    ------
    PackError
        When a file cannot be read or is not such a table.
    """
    return tables.read(lambda document, rows: _table(document, rows["workloads"]), path, workloads)


def _table(document: dict[str, Any], rows: dict[str, Any]) -> AdmissionTable:
    gateway = document["gateway"]
    accounts: dict[str, dict[str, str]] = {zone: {} for zone in zones().zones}
    of_people: dict[str, frozenset[str]] = {
        zone: frozenset(row["service_account"] for row in rows.values() if row["zone"] == zone and row.get("person"))
        for zone in accounts
    }
    audiences: dict[str, tuple[str, ...]] = {gateway["service_account"]: (gateway["audience"],)}
    for name, row in rows.items():
        if row.get("person"):
            continue  # no pod may use it
        account = row["service_account"]
        accounts[row["zone"]][gateway["service_account"] if name == _GATEWAY else account] = account
        aws = (AWS_AUDIENCE,) if row.get("buckets") or row.get("administers_database") else ()
        vault = (API_SERVER,) if row.get("vault") or row.get("secrets") else ()
        if aws or vault:
            audiences[account] = (*aws, *vault)
    return AdmissionTable(
        policies=tuple(_policy(name, row, document) for name, row in document["policies"].items()),
        accounts=accounts,
        accounts_of_people=of_people,
        audiences=audiences,
        priorities={
            account: pool_table().of_accounts[label] for own in accounts.values() for account, label in own.items()
        },
        gateway_zone=rows[_GATEWAY]["zone"],
        gateway_registries=tuple(gateway["registries"]),
        gateway_images=tuple(gateway["tagged_images"]),
        people=frozenset({*document["deployers"].values(), *document["administrators"].values()}),
        kserve=frozenset(document["kserve"].values()),
        agent_scripts=frozenset(document["agent"]["scripts"].values()),
        constants={
            **{name: document[name] for name in ("gateway_controller", "cleaners")},
            **{f"agent_{name}": document["agent"][name] for name in ("containers", "volumes", "command")},
        },
    )


def _policy(name: str, row: dict[str, Any], document: dict[str, Any]) -> RequiredPolicy:
    def filled(text: str) -> str:
        return text.replace("{pod}", row.get("pod", "")).replace("{bound}", row.get("bound", "false"))

    rules = row.get("rules") or document["pods"]
    return RequiredPolicy(
        name=name,
        resources=frozenset(_resource(text) for text in row["resources"]),
        operations=frozenset(row.get("operations") or ("CREATE", "UPDATE")),
        condition=row.get("condition"),
        rules={rule: filled(own["expression"]) for rule, own in rules.items()},
        variables={key: None if text is None else filled(text) for key, text in document["variables"].items()},
        everywhere=bool(row.get("everywhere")),
    )


def _resource(text: str) -> tuple[str, str]:
    first, _, rest = text.partition("/")
    return (first, rest) if "." in first or first in _PLAIN_GROUPS else ("", text)


@cache
def admission_table() -> AdmissionTable:
    """Return the project's admission table."""
    return read(TABLE)
