"""What the program declares of AWS is what the substitute aws plugin knows, down to each input."""

from pathlib import Path

import pytest

from local.plugins.aws_provider import AwsProvider
from local.plugins.provider.common import Log, Props, Request
from local.plugins.provider.values import unwrap, wrap
from tests.support.repository import REPOSITORY
from tests.support.stack.mocked_stack import Declared, declare, settings

STACKS = sorted(path.name.split(".")[1] for path in REPOSITORY.glob("Pulumi.*.yaml"))


def refusals(kind: str, name: str, inputs: Props) -> list[str]:
    """Return what the plugin says against a resource, as the engine would be told at preview."""
    urn = f"urn:pulumi:test::healthcare-mlops::{kind}::{name}"
    # As the plugin gets them from the engine, whole numbers are no fractions.
    sent = unwrap(wrap(inputs)).plain
    checked = AwsProvider({}).check(Request(urn, Log(lambda *_: None, urn), inputs=sent))
    return [failure.reason for failure in checked.failures]


def judged(resource: Declared) -> list[str]:
    if resource.type not in AwsProvider.rows:
        return [f"{resource.type} ({resource.name}): the aws plugin has no row for it"]
    told = refusals(resource.type, resource.name, dict(resource.inputs))
    return [f"{resource.type} ({resource.name}): {text}" for text in told]


@pytest.mark.parametrize("stack", STACKS)
def test_the_plugin_knows_all_that_a_stack_declares(stack: str, tmp_path: Path) -> None:
    declared = [found for found in declare(settings(stack, tmp_path)).resources if found.type.startswith("aws:")]
    assert declared
    assert [text for resource in declared for text in judged(resource)] == []


def test_an_unknown_type_is_told_by_name() -> None:
    [told] = judged(Declared("aws:braket/device:Device", "device", {}, "", custom=True))
    assert "aws:braket/device:Device (device)" in told


def test_an_input_that_no_call_takes_is_told_by_name() -> None:
    [told] = judged(Declared("aws:ec2/eip:Eip", "address", {"domain": "vpc", "colour": "blue"}, "", custom=True))
    assert "colour" in told
