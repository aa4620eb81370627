"""Secrets that Vault's agent writes to files of a pod: rows of ``secrets.yaml``, which documents the fields."""

import string
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.settings import Resources
from infra.vault.hospital import VaultPolicyRule

TABLE = Path(__file__).parents[1] / "secrets.yaml"
# The secret with the certificate of the ServiceAccount.
TLS = "tls"
PREFIX = "vault.hashicorp.com/"
# Readable by the user of the pod's containers, as which the agent runs.
FILE_MODE = "0400"
# Path, below the hospital's mounts, of logins of PostgreSQL.
DATABASE_LOGINS = "database/creds/"
_STRICT = ConfigDict(extra="forbid")

FileName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=40)]


@validated(frozen=True, config=_STRICT)
class Secret:
    """A secret in Vault, and the files that the agent writes from it."""

    vault: VaultPolicyRule
    call: str
    files: dict[FileName, str]

    @property
    def is_database_login(self) -> bool:
        """Whether it is a login of PostgreSQL."""
        return self.vault.path.startswith(DATABASE_LOGINS)


@validated(frozen=True, config=_STRICT)
class SecretTable:
    """Secrets by name, the agent's resources, and annotations of pods."""

    agent: Resources
    annotations: dict[str, str]
    job_annotations: dict[str, str]
    secrets: dict[str, Secret]

    def without_logins(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the secrets that are no login of PostgreSQL."""
        return tuple(name for name in names if not self.secrets[name].is_database_login)

    def rules(self, names: tuple[str, ...], service_account: str) -> tuple[VaultPolicyRule, ...]:
        """Return the rules of the Vault policy of a workload with these secrets."""
        rules = (self.secrets[name].vault for name in names)
        return tuple(
            replace(rule, path=string.Template(rule.path).substitute(service_account=service_account)) for rule in rules
        )

    def pod_annotations(
        self, names: tuple[str, ...], hospital: str, service_account: str, *, job: bool
    ) -> dict[str, str]:
        """Return the annotations of a pod with these secrets; none without secrets."""
        if not names:
            return {}
        annotations = {**self.annotations, **(self.job_annotations if job else {}), **self._agent_resources()}
        for secret in (self.secrets[name] for name in names):
            for file, content in secret.files.items():
                annotations[f"agent-inject-secret-{file}"] = f"${{hospital}}/{secret.vault.path}"
                annotations[f"agent-inject-template-{file}"] = f"{{{{ with {secret.call} }}}}{content}{{{{ end }}}}"
                annotations[f"agent-inject-perms-{file}"] = FILE_MODE
        values = {"hospital": hospital, "service_account": service_account}
        return {f"{PREFIX}{name}": string.Template(text).substitute(values) for name, text in annotations.items()}

    def _agent_resources(self) -> dict[str, str]:
        sides = {"requests": self.agent.requests.quantities, "limits": self.agent.limits.quantities}
        return {
            f"agent-{side}-{short}": quantities[kind]
            for side, quantities in sides.items()
            for kind, short in (("cpu", "cpu"), ("memory", "mem"))
        }


@cache
def secret_table() -> SecretTable:
    """Return the table of secrets."""
    return TypeAdapter(SecretTable).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))
