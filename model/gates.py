"""Gates as data: read the table, judge an evaluation by it, and say what refuses and by how much."""

import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from model.errors import GateError, UserError
from model.evaluation.vocabulary import BY, PATHS
from model.table_faults import told

GATES_FILE = Path(__file__).parent / "gates.yaml"

_ROLE_AND_NAME = "--approve must be ROLE:NAME, such as clinical-safety-officer:J. Smith."


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Minimum(_Row):
    """The least data to train on."""

    discharges: int
    readmissions: int
    patients: int


class Gate(_Row):
    """One thing that an evaluation must show.

    Attributes
    ----------
    metric
        Path of a figure in the evaluation, such as ``roc_auc.low``.
    at_least, at_most
        Inclusive bounds of a number.
    holds
        What a yes-or-no figure must be.
    with_baseline
        Judge only an evaluation that was given a baseline release.
    where_recorded
        Judge only where the attribute is recorded, with two groups that are large enough to tell.
    """

    name: str = Field(min_length=1)
    metric: str
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    at_most: float | None = Field(default=None, allow_inf_nan=False)
    holds: bool | None = None
    with_baseline: bool = False
    where_recorded: bool = False
    why: str = ""

    @field_validator("metric")
    @classmethod
    def _known(cls, path: str) -> str:
        if path not in PATHS:
            near = get_close_matches(path, PATHS, n=1, cutoff=0.0)
            raise ValueError(f"there is no figure {path!r}; the nearest is {near[0]}")
        return path

    @model_validator(mode="after")
    def _demands_something(self) -> "Gate":
        if self.at_least is None and self.at_most is None and self.holds is None:
            raise ValueError("a gate needs at_least, at_most or holds, else it lets everything pass")
        if self.where_recorded and BY not in self.metric:
            raise ValueError("where_recorded needs a gap by one attribute, such as gaps.sensitivity.by.race.sure")
        return self

    @property
    def demand(self) -> str:
        """What the gate asks for, in words."""
        bounds = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        bounds += [str(self.holds).lower()] if self.holds is not None else []
        return " and ".join(bounds)


class Approval(_Row):
    """Who may approve a release."""

    roles: tuple[str, ...] = Field(min_length=1)


class Profile(_Row):
    """What a model is for, and so what it must show.

    Attributes
    ----------
    groups
        Attributes whose subgroups are evaluated; all that training declares when absent.
    baseline_required
        Refuse an evaluation without a baseline release: for a hospital that has a champion.
    card_complete
        Whether every question of the model card must be answered at release.
    approval
        Who must approve a release; nobody when absent.
    """

    meaning: str
    minimum: Minimum
    gates: tuple[Gate, ...] = Field(min_length=1)
    groups: tuple[str, ...] | None = None
    baseline_required: bool = False
    card_complete: bool = False
    approval: Approval | None = None


class Band(_Row):
    """A band of risk and what to do in it."""

    top_share: float = Field(gt=0, le=1)
    action: str


class SmallGroup(_Row):
    """The size below which a group's figures are withheld: they would tell of chance, or of a person."""

    discharges: int = Field(default=40, ge=1)
    outcomes: int = Field(default=10, ge=1)

    def too_small(self, discharges: int, readmissions: int) -> str:
        """Return why a group is too small, or nothing when it is large enough."""
        if discharges < self.discharges:
            return f"fewer than {self.discharges} discharges"
        if min(readmissions, discharges - readmissions) < self.outcomes:
            return f"fewer than {self.outcomes} of an outcome"
        return ""


class GateTable(_Row):
    """The whole table."""

    version: int
    profiles: dict[str, Profile]
    policy: dict[str, Band]
    small_group: SmallGroup = SmallGroup()

    @field_validator("policy")
    @classmethod
    def _someone_is_at_high_risk(cls, policy: dict[str, Band]) -> dict[str, Band]:
        if "high" not in policy or policy["high"].top_share >= 1:
            raise ValueError("the policy needs a band named high with a top_share below 1; figures are told for it")
        return policy

    def profile(self, name: str) -> Profile:
        """Return a profile by name."""
        if name not in self.profiles:
            raise UserError(f"There is no gate profile {name}; choose one of {', '.join(sorted(self.profiles))}.")
        return self.profiles[name]


class Verdict(_Row):
    """How one gate came out.

    Attributes
    ----------
    judged
        False when the gate was not asked: it neither passes nor refuses anything.
    value
        The figure; nothing when it could not be computed or is no number.
    found
        What was found, where the value does not say it.
    missed_by
        How far the figure is from what was demanded; nothing when it passed or is no number.
    """

    name: str
    passed: bool
    judged: bool = True
    value: float | None = None
    found: str = ""
    demand: str
    missed_by: float | None = None
    why: str = ""

    @property
    def shown(self) -> str:
        """What was found, in words."""
        return self.found or ("unknown" if self.value is None else f"{self.value:.4g}")


def gate_table(path: Path | None = None) -> GateTable:
    """Read the table that ships with the package, or another one.

    Raises
    ------
    UserError
        When the file is absent or not valid; it names the line and the field.
    """
    file = path or GATES_FILE
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"There is no gates file at {file}; give --gates a readable file.") from None
    try:
        return GateTable.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise UserError(f"The gates file {file} is not valid YAML{where}; compare it with {GATES_FILE.name}.") from None
    except ValidationError as fault:
        raise UserError(f"The gates file {file} is not valid: {told(fault, text)}.") from None


def table_of_run(gates: dict[str, Any]) -> GateTable:
    """Return the table that a run was trained under."""
    try:
        return GateTable.model_validate(gates)
    except ValidationError as fault:
        raise UserError(f"The run's gates do not fit this package: {told(fault)}; run train again.") from None


def judge(profile: Profile, evaluation: dict[str, Any]) -> list[Verdict]:
    """Hold an evaluation against each gate; a figure that could not be computed does not pass."""
    compared = evaluation.get("baseline") is not None
    verdicts = [
        _unasked(gate) if gate.with_baseline and not compared else _verdict(gate, _value(evaluation, gate.metric))
        for gate in profile.gates
    ]
    if profile.baseline_required:
        found = "given" if compared else "absent; give --baseline RELEASE"
        verdicts.append(Verdict(name="baseline", passed=compared, found=found, demand="given"))
    return verdicts


def card_verdict(profile: Profile, unanswered: Sequence[str]) -> Verdict:
    """Judge whether the model card answers all that it should; ``unanswered`` are the questions left open."""
    gate = Verdict(name="model card", passed=True, judged=profile.card_complete, found="complete", demand="complete")
    if not unanswered:
        return gate
    found = f"without an answer to {', '.join(unanswered)}"
    missed = {"passed": not profile.card_complete, "value": float(len(unanswered)), "found": found}
    return gate.model_copy(update=missed | {"missed_by": float(len(unanswered)) if profile.card_complete else None})


def approval_verdict(profile: Profile, approved_by: str | None, reason: str | None) -> Verdict:
    """Judge an approval, given as ``ROLE:NAME`` with its reason.

    Raises
    ------
    UserError
        When the approval is not of the form ``ROLE:NAME``.
    """
    role, colon, name = (part.strip() for part in (approved_by or "").partition(":"))
    if approved_by is not None and not (role and colon and name):
        raise UserError(_ROLE_AND_NAME)
    if profile.approval is None:
        return Verdict(name="approval", passed=True, judged=False, found=role or "absent", demand="not asked for")
    demand = f"by a {' or '.join(profile.approval.roles)}, with a reason"
    if not role:
        return Verdict(name="approval", passed=False, found="absent", demand=demand)
    if role not in profile.approval.roles:
        return Verdict(name="approval", passed=False, found=f"by a {role}", demand=demand)
    reasoned = bool((reason or "").strip())
    found = f"by a {role}" + ("" if reasoned else " without a reason")
    return Verdict(name="approval", passed=reasoned, found=found, demand=demand)


def refusal(verdicts: Iterable[Verdict]) -> str | None:
    """Return what refuses, each with its demand and by how much it was missed, or nothing when all passed."""
    missed = [
        f"{verdict.name} is {verdict.shown}, not {verdict.demand}"
        + (f" (missed by {verdict.missed_by:.4g})" if verdict.missed_by is not None else "")
        for verdict in verdicts
        if not verdict.passed
    ]
    return "; ".join(missed) or None


def refuse(profile: str, verdicts: Iterable[Verdict]) -> None:
    """Raise when a gate refused.

    Raises
    ------
    GateError
        With every refusal and by how much.
    """
    missed = refusal(verdicts)
    if missed:
        raise GateError(f"The profile {profile} refuses: {missed}.")


def _verdict(gate: Gate, value: float | None) -> Verdict:
    if value is None and gate.where_recorded:
        found = "not recorded, or groups too small to tell"
        return Verdict(name=gate.name, passed=True, judged=False, found=found, demand=gate.demand, why=gate.why)
    if value is None:
        return Verdict(name=gate.name, passed=False, demand=gate.demand, why=gate.why)
    short = 0.0 if gate.at_least is None else max(0.0, gate.at_least - value)
    over = 0.0 if gate.at_most is None else max(0.0, value - gate.at_most)
    missed = short + over
    wrong = gate.holds is not None and bool(value) != gate.holds
    return Verdict(
        name=gate.name,
        passed=missed == 0 and not wrong,
        value=value,
        found=str(bool(value)).lower() if gate.holds is not None else "",
        demand=gate.demand,
        missed_by=missed or None,
        why=gate.why,
    )


def _unasked(gate: Gate) -> Verdict:
    return Verdict(
        name=gate.name, passed=True, judged=False, found="not judged", demand=f"{gate.demand} against a baseline"
    )


def _value(evaluation: dict[str, Any], path: str) -> float | None:
    found: Any = evaluation
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None
