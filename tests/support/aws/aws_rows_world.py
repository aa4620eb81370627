"""Objects of every ordinary AWS type, made by the plugin's own rows on an emulator."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.session

from local.plugins.aws_provider import AwsProvider
from local.plugins.provider.common import Log, Props, Request
from tests.support.aws.aws_emulator_server import Emulator

_PLACE = re.compile(r"\{(\w+)\.(\w+)\}")


@dataclass(frozen=True)
class Example:
    """An object of a type, and a change of it.

    Inputs may name others' outputs, such as ``{vpc.id}``: that example is made first.
    """

    token: str
    inputs: Props = field(default_factory=dict)
    change: Props = field(default_factory=dict)
    not_emulated: bool = False
    replaced: bool = False
    stays: bool = False


class Listener(Log):
    """A log that is kept."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def provider(emulator: Emulator, region: str = "us-east-1", **config: Any) -> AwsProvider:
    lines = (emulator.folder / "credentials").read_text().splitlines()
    keys = dict(line.split(" = ") for line in lines if "=" in line)
    services = botocore.session.get_session().get_available_services()
    made = AwsProvider({})
    made.configure(
        {
            "region": region,
            "accessKey": keys["aws_access_key_id"],
            "secretKey": keys["aws_secret_access_key"],
            "customCaBundle": str(emulator.folder / "tls.crt"),
            "endpoints": [dict.fromkeys((name.replace("-", "") for name in services), emulator.url)],
            "s3UsePathStyle": True,
            **config,
        }
    )
    return made


@dataclass
class Thing:
    """One resource through its life, as the engine would lead it."""

    provider: AwsProvider
    name: str
    token: str
    inputs: Props = field(default_factory=dict)
    id: str = ""
    state: Props = field(default_factory=dict)
    log: Listener = field(default_factory=Listener)

    def request(self, **fields: Any) -> Request:
        urn = f"urn:pulumi:test::rows::{self.token}::{self.name}"
        return Request(urn, self.log, id=self.id, state=self.state, **fields)

    def check(self, inputs: Props) -> tuple[Props, list[str]]:
        checked = self.provider.check(self.request(inputs=inputs, old_inputs=self.inputs))
        return checked.inputs, [failure.reason for failure in checked.failures]

    def create(self, inputs: Props) -> None:
        checked, failures = self.check(inputs)
        assert failures == [], failures
        made = self.provider.create(self.request(inputs=checked))
        self.inputs, self.id, self.state = checked, made.id, made.state

    def differing(self, inputs: Props) -> tuple[set[str], set[str]]:
        diff = self.provider.diff(self.request(inputs=inputs, old_inputs=self.inputs))
        return {str(path[0]) for path in diff.changes}, {str(path[0]) for path in diff.replaces}

    def refresh(self) -> bool:
        """Read the object as it is; return whether it is still there."""
        found = self.provider.read(self.request(old_inputs=self.inputs))
        if found.id:
            self.inputs, self.state = found.inputs, found.state
        return bool(found.id)

    def update(self, inputs: Props) -> None:
        self.state = self.provider.update(self.request(inputs=inputs, old_inputs=self.inputs))
        self.inputs = inputs

    def delete(self) -> None:
        self.provider.delete(self.request(old_inputs=self.inputs))


@dataclass
class World:
    """Examples that exist, each made when it is first named."""

    provider: AwsProvider
    examples: Mapping[str, Example]
    made: dict[str, Thing] = field(default_factory=dict)

    def get(self, name: str) -> Thing:
        if name not in self.made:
            self.made[name] = self.make(name)
        return self.made[name]

    def make(self, name: str) -> Thing:
        example = self.examples[name]
        thing = Thing(self.provider, name, example.token)
        thing.create(self.resolved(example.inputs))
        return thing

    def resolved(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.resolved(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if not isinstance(value, str):
            return value
        return _PLACE.sub(lambda found: str(self.get(found.group(1)).state[found.group(2)]), value)
