"""Roles that people take, from the table ``human_roles.yaml``: for an hour at most, and with a second factor."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi_aws import iam
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as checked

from infra.blocks.service_trust import HOUR, person_trust
from infra.monitoring.account_monitoring import Watch
from infra.settings import names
from infra.settings.values import Settings

TABLE = Path(__file__).with_name("human_roles.yaml")


@checked(frozen=True)
class Person:
    """A role: what it is for, Amazon's policies that it has, and its own."""

    why: str
    managed: tuple[str, ...]
    statements: tuple[dict[str, Any], ...]


@cache
def table() -> dict[str, Person]:
    """Return the table."""
    return TypeAdapter(dict[str, Person]).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class PeopleArgs:
    """Whose people these are.

    Parameters
    ----------
    settings
        The environment.
    watch
        Who hears of what they do.
    """

    settings: Settings
    watch: Watch


class People(pulumi.ComponentResource):
    """The roles; ``arns`` are theirs by name."""

    arns: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: PeopleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:People", name, None, opts)
        self._args = args
        self.arns = {role: self._role(role, person) for role, person in table().items()}
        self.register_outputs({"arns": self.arns})

    def _role(self, name: str, person: Person) -> pulumi.Output[str]:
        settings = self._args.settings
        child = pulumi.ResourceOptions(parent=self)
        # The evidence and the policy pack know the one role of emergencies by its tag.
        tags = names.tags(settings.environment, names.SHARED, phi=False)
        if name == names.BREAK_GLASS:
            tags[f"{names.DOMAIN}/break-glass"] = "true"
        role = iam.Role(
            name,
            name=names.role(settings.environment, names.SHARED, name),
            description=person.why.strip(),
            assume_role_policy=person_trust(settings.account),
            max_session_duration=HOUR,
            tags=tags,
            opts=child,
        )
        for policy in person.managed:
            iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=child
            )
        iam.RolePolicy(
            name,
            name=name,
            role=role.name,
            policy=self._args.watch.trail_logs_arn.apply(lambda logs: _policy(person, settings, logs)),
            opts=child,
        )
        return role.arn


def _policy(person: Person, settings: Settings, trail_logs: str) -> str:
    words = {
        "ACCOUNT": settings.account,
        "REGION": settings.region,
        "ENVIRONMENT": settings.environment,
        "TRAIL_LOGS": trail_logs,
    }
    return _filled(json.dumps({"Version": "2012-10-17", "Statement": list(person.statements)}), words)


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
