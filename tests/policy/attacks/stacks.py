"""The stacks that are attacked: development and production, each with two hospitals and a release in service."""

import copy
import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from policy_pack.engine.evaluate import Evaluator
from policy_pack.settings import Evidence, Settings, load
from policy_pack.stack.external_endpoints import Addresses, read
from tests.policy import recorded
from tests.policy.attacks.mutation import Target
from tests.support.stack.mocked_stack import RELEASE, configuration

STACKS = ("dev", "prod")
FIRST, SECOND = "north", "south"
ACCOUNT, STRANGER = "123456789012", "999999999999"
_FIRST = re.compile(rf"(?<![a-z]){FIRST}(?![a-z])")
_SECOND = re.compile(rf"(?<![a-z]){SECOND}(?![a-z])")


@dataclass(frozen=True)
class Attacked:
    """A stack with what the pack evaluates it by.

    Parameters
    ----------
    target
        The stack.
    settings
        The settings of the pack.
    addresses
        The addresses of external endpoints.
    """

    target: Target
    settings: Settings
    addresses: Addresses | None

    def evaluator(self) -> Evaluator:
        """Return the evaluator of all controls."""
        return Evaluator(self.settings, self.addresses)


@cache
def attacked(name: str) -> Attacked:
    """Return a stack with two hospitals, with recent dates of scan, test and audit."""
    config = configuration(name)
    _two_hospitals(config)
    with tempfile.TemporaryDirectory() as root:
        graph = recorded.record(name, Path(root), _two_hospitals).graph()
    settings = load()
    evidence = Evidence.model_validate(dict.fromkeys(Evidence.model_fields, settings.today))
    told = settings.model_copy(update={"evidence": evidence})
    return Attacked(Target(name, graph), told, read(config))


def _two_hospitals(written: dict[str, Any]) -> None:
    """Add the second hospital where the configuration has one, and set the release that each serves."""
    hospitals = written["hospitals"]
    if len(hospitals) == 1:
        second = crossed(copy.deepcopy(hospitals[0]))
        if "network" in second:
            second["network"] = "10.51.0.0/24"
        hospitals.append(second)
    for hospital in hospitals:
        hospital["release"] = RELEASE


def crossed(value: Any) -> Any:
    """Return a value with the hospitals' names exchanged."""
    if isinstance(value, str):
        return _exchanged(value)
    if isinstance(value, list):
        return [crossed(item) for item in value]
    if isinstance(value, dict):
        return {_exchanged(key): crossed(item) for key, item in value.items()}
    return value


def _exchanged(text: str) -> str:
    held = _FIRST.sub("\0", text)
    return _SECOND.sub(FIRST, held).replace("\0", SECOND)
