"""AWS Config rules of the conformance pack for HIPAA: the controls with the same requirement, or why there is none."""

from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables

TABLE = Path(__file__).with_name("aws_rules.yaml")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class AwsRules:
    """The table of AWS Config rules.

    Parameters
    ----------
    controls
        Rules with the controls that have the same requirement.
    refused
        Rules for a service that is not allowed, with the module of the AWS provider that INV-03 refuses.
    not_applicable
        Rules that cannot be evaluated on a declaration, with the reason.
    other_packs
        Rules of other conformance packs, with the controls that have the same requirement.
    """

    controls: dict[str, tuple[str, ...]]
    refused: dict[str, str]
    not_applicable: dict[str, str]
    other_packs: dict[str, tuple[str, ...]]

    def rules_of(self, control: str) -> tuple[str, ...]:
        """Return the rules with the same requirement as a control."""
        return tuple(rule for rule, controls in (self.controls | self.other_packs).items() if control in controls)


@cache
def aws_rules() -> AwsRules:
    """Return the table of AWS Config rules."""
    return tables.read(TypeAdapter(AwsRules).validate_python, TABLE)
