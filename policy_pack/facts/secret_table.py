"""The table of secrets, read as data: annotations of Vault's agent that the pods of a ServiceAccount may have."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from policy_pack import tables
from policy_pack.facts.zone_table import WORKLOADS

TABLE = WORKLOADS.with_name("secrets.yaml")
PREFIX = "vault.hashicorp.com/"
# Stands for the hospital's name, in annotations and in the variable of the admission policies.
HOSPITAL = "${hospital}"
_MODE = "0400"
_SIDES = {"cpu": "cpu", "memory": "mem"}


@dataclass(frozen=True)
class SecretTable:
    """Annotations by ServiceAccount, with ``${hospital}`` for the name of the hospital."""

    annotations: Mapping[str, Mapping[str, str]]

    def of(self, hospital: str, service_account: str) -> dict[str, str]:
        """Return the annotations of a hospital's pods."""
        found = self.annotations.get(service_account, {})
        return {name: text.replace(HOSPITAL, hospital) for name, text in found.items()}


def read(path: Path, workloads: Path = WORKLOADS) -> SecretTable:
    """Read the table of secrets, with the secrets of the workload table.

    Raises
    ------
    PackError
        When a file cannot be read or is not such a table.
    """
    return tables.read(_table, path, workloads)


def _table(table: Mapping[str, Any], workloads: Mapping[str, Any]) -> SecretTable:
    rows = workloads["workloads"].values()
    return SecretTable({row["service_account"]: _annotations(table, row) for row in rows if row.get("secrets")})


def _annotations(table: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {**table["annotations"], **(table["job_annotations"] if "cron_job" in row else {})}
    for side, amounts in table["agent"].items():
        found |= {f"agent-{side}-{_SIDES[kind]}": str(amount) for kind, amount in amounts.items()}
    for secret in (table["secrets"][name] for name in row["secrets"]):
        for file, content in secret["files"].items():
            found[f"agent-inject-secret-{file}"] = f"{HOSPITAL}/{secret['vault']['path']}"
            found[f"agent-inject-template-{file}"] = f"{{{{ with {secret['call']} }}}}{content}{{{{ end }}}}"
            found[f"agent-inject-perms-{file}"] = _MODE
    values = {"hospital": HOSPITAL, "service_account": row["service_account"]}
    return {f"{PREFIX}{name}": string.Template(text).substitute(values) for name, text in found.items()}


@cache
def secret_table() -> SecretTable:
    """Return the project's table of secrets."""
    return read(TABLE)
