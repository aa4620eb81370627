"""AWS's own conformance pack for HIPAA, rule by rule: which controls ask the same, or why none does."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

TABLE = Path(__file__).with_name("aws_rules.yaml")


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class AwsRules:
    """What was judged of each rule.

    Parameters
    ----------
    controls
        Rules that controls ask too, and these.
    refused
        Rules over a service that is not allowed, and the module of the AWS package that INV-03 refuses.
    not_applicable
        Rules with nothing to judge in a declaration, and why.
    besides
        Rules of other packs that controls ask too.
    """

    controls: dict[str, tuple[str, ...]]
    refused: dict[str, str]
    not_applicable: dict[str, str]
    besides: dict[str, tuple[str, ...]]

    def asked_by(self, control: str) -> tuple[str, ...]:
        """Return the rules that a control asks too."""
        return tuple(rule for rule, asking in (self.controls | self.besides).items() if control in asking)


@cache
def aws_rules() -> AwsRules:
    """Return the table."""
    return TypeAdapter(AwsRules).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))
