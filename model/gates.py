"""Gates as data: read the table, judge an evaluation by it."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from model.errors import UserError

GATES_FILE = Path(__file__).parent / "gates.yaml"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Minimum(_Row):
    """The least data to train on."""

    discharges: int
    readmissions: int
    patients: int


class Gate(_Row):
    """One thing that an evaluation must show."""

    name: str
    metric: str
    at_least: float | None = None
    at_most: float | None = None
    why: str = ""


class Profile(_Row):
    """What a model is for, and so what it must show."""

    meaning: str
    minimum: Minimum
    gates: tuple[Gate, ...]


class Band(_Row):
    """A band of risk and what to do in it."""

    top_share: float
    action: str


class GateTable(_Row):
    """The whole table."""

    version: int
    profiles: dict[str, Profile]
    policy: dict[str, Band]

    def profile(self, name: str) -> Profile:
        """Return a profile by name."""
        if name not in self.profiles:
            raise UserError(f"There is no gate profile {name}; choose one of {', '.join(sorted(self.profiles))}.")
        return self.profiles[name]


class Verdict(_Row):
    """How one gate came out."""

    name: str
    passed: bool
    value: float | None
    demand: str


def gate_table(path: Path | None = None) -> GateTable:
    """Read the table that ships with the package, or another one."""
    file = path or GATES_FILE
    try:
        return GateTable.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError:
        raise UserError(f"There is no gates file at {file}; give --gates a readable file.") from None
    except (ValidationError, yaml.YAMLError) as fault:
        raise UserError(
            f"The gates file {file} is not valid ({type(fault).__name__}); compare it with {GATES_FILE.name}."
        ) from None


def judge(profile: Profile, evaluation: dict[str, Any]) -> list[Verdict]:
    """Hold an evaluation against each gate; a metric that could not be computed does not pass."""
    return [_verdict(gate, _value(evaluation, gate.metric)) for gate in profile.gates]


def _verdict(gate: Gate, value: float | None) -> Verdict:
    low = gate.at_least is None or (value is not None and value >= gate.at_least)
    high = gate.at_most is None or (value is not None and value <= gate.at_most)
    bounds = [f"at least {gate.at_least}"] if gate.at_least is not None else []
    bounds += [f"at most {gate.at_most}"] if gate.at_most is not None else []
    return Verdict(name=gate.name, passed=low and high, value=value, demand=" and ".join(bounds))


def _value(evaluation: dict[str, Any], path: str) -> float | None:
    found: Any = evaluation
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) else None
