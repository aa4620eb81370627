"""The admission table: rules of ``admission.yaml`` in CEL, which documents the fields."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.settings import ClusterKind

TABLE = Path(__file__).with_name("admission.yaml")
_VARIABLE = re.compile(r"\bvariables\.(\w+)")
_STRICT = ConfigDict(extra="forbid")
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@validated(frozen=True, config=_STRICT)
class Rule:
    """A rule: the CEL expression that must be true, and the CEL expression of the message where it is not."""

    expression: str
    message: str


@dataclass(frozen=True)
class Variable:
    """A variable of a policy: its name and its CEL expression."""

    name: str
    expression: str


@validated(frozen=True, config=_STRICT)
class Policy:
    """A ValidatingAdmissionPolicy."""

    resources: tuple[str, ...]
    operations: tuple[Operation, ...] = ("CREATE", "UPDATE")
    pod: str | None = None
    bound: str = "false"
    condition: str | None = None
    everywhere: bool = False
    rules: dict[str, Rule] | None = None

    def filled(self, expression: str) -> str:
        """Return an expression with the path of the pod, and whether it is bound to a node."""
        return expression.replace("{pod}", self.pod or "").replace("{bound}", self.bound)


@validated(frozen=True, config=_STRICT)
class Gateway:
    """Properties of a gateway's pods that its controller chooses."""

    service_account: str
    audience: str
    registries: tuple[str, ...]
    tagged_images: tuple[str, ...]


@validated(frozen=True, config=_STRICT)
class Agent:
    """Containers that the injector of Vault's agent adds."""

    containers: tuple[str, ...]
    volumes: tuple[str, ...]
    command: tuple[str, ...]
    scripts: dict[ClusterKind, str]


@validated(frozen=True, config=_STRICT)
class AdmissionTable:
    """Users and groups, variables, and policies by name."""

    deployers: dict[ClusterKind, str]
    administrators: dict[ClusterKind, str]
    kserve: dict[ClusterKind, str]
    gateway_controller: str
    cleaners: tuple[str, ...]
    gateway: Gateway
    agent: Agent
    variables: dict[str, str | None]
    pods: dict[str, Rule]
    policies: dict[str, Policy]

    def __post_init__(self) -> None:
        for name, policy in self.policies.items():
            if (policy.pod is None) == (policy.rules is None):
                raise ValueError(f"policy {name} of admission.yaml needs either a pod or rules")

    def rules(self, policy: Policy) -> list[Rule]:
        """Return the rules of a policy, with the path of its pod filled in."""
        rules = self.pods if policy.rules is None else policy.rules
        return [Rule(policy.filled(rule.expression), policy.filled(rule.message)) for rule in rules.values()]

    def variables_of(self, policy: Policy, values: Mapping[str, str]) -> list[Variable]:
        """Return the variables that the rules of a policy use, each after those that it uses itself.

        Parameters
        ----------
        policy
            The policy.
        values
            Expressions of the variables that the table leaves open.
        """
        variables: dict[str, str] = {}

        def add(texts: Iterable[str]) -> None:
            for name in (name for text in texts for name in _VARIABLE.findall(text) if name not in variables):
                written = self.variables[name]
                expression = values[name] if written is None else policy.filled(written)
                add([expression])
                variables.setdefault(name, expression)

        add(text for rule in self.rules(policy) for text in (rule.expression, rule.message))
        return [Variable(name, expression) for name, expression in variables.items()]


@cache
def table() -> AdmissionTable:
    """Return the admission table."""
    return TypeAdapter(AdmissionTable).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))
