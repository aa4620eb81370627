"""IAM roles of people, from the table ``human_roles.yaml``: MFA required, sessions of one hour."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi_aws import iam
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.blocks.iam_policy import policy_document
from infra.blocks.trust_policy import HOUR, person_trust
from infra.monitoring.account_monitoring import AccountMonitoring
from infra.settings import Settings, names

TABLE = Path(__file__).with_name("human_roles.yaml")


@validated(frozen=True)
class HumanRole:
    """A row of the table: description, AWS managed policies, and statements of the inline policy."""

    description: str
    managed_policies: tuple[str, ...]
    statements: tuple[dict[str, Any], ...]


@cache
def table() -> dict[str, HumanRole]:
    """Return the roles by name."""
    return TypeAdapter(dict[str, HumanRole]).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class HumanRolesArgs:
    """Arguments of the roles of people.

    Parameters
    ----------
    settings
        The stack's settings.
    monitoring
        The account's monitoring, whose CloudTrail log group auditors read.
    """

    settings: Settings
    monitoring: AccountMonitoring


class HumanRoles(pulumi.ComponentResource):
    """IAM roles of people; ``arns`` by the role's name in the table."""

    arns: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: HumanRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:People", name, None, opts)
        self._args = args
        self.arns = {name: self._role(name, row) for name, row in table().items()}
        self.register_outputs({"arns": self.arns})

    def _role(self, name: str, row: HumanRole) -> pulumi.Output[str]:
        settings = self._args.settings
        child = pulumi.ResourceOptions(parent=self)
        # The policy pack and the compliance evidence identify the break-glass role by its tag.
        tags = names.tags(settings.environment, names.SHARED, phi=False)
        if name == names.BREAK_GLASS:
            tags[f"{names.DOMAIN}/break-glass"] = "true"
        role = iam.Role(
            name,
            name=names.role(settings.environment, names.SHARED, name),
            description=row.description.strip(),
            assume_role_policy=person_trust(settings.account),
            max_session_duration=HOUR,
            tags=tags,
            opts=child,
        )
        for policy in row.managed_policies:
            iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=child
            )
        iam.RolePolicy(
            name,
            name=name,
            role=role.name,
            policy=self._args.monitoring.trail_log_group_arn.apply(lambda arn: _inline_policy(row, settings, arn)),
            opts=child,
        )
        return role.arn


def _inline_policy(row: HumanRole, settings: Settings, trail_log_group_arn: str) -> str:
    placeholders = {
        "ACCOUNT": settings.account,
        "REGION": settings.region,
        "ENVIRONMENT": settings.environment,
        "TRAIL_LOGS": trail_log_group_arn,
    }
    return _substitute(policy_document(*row.statements), placeholders)


def _substitute(text: str, placeholders: Mapping[str, str]) -> str:
    for placeholder, value in placeholders.items():
        text = text.replace(placeholder, value)
    return text
