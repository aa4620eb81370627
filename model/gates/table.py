"""Gates table: for each profile the metrics that an evaluation must reach, and their bounds."""

from collections import Counter
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from model.errors import UserError
from model.gates.exceptions import ExceptionRule, GateException
from model.gates.row import Row
from model.io.yaml_tables import fault_text
from model.metrics.figure_names import BY
from model.metrics.figures import INTERVALS, PATHS

GATES_FILE = Path(__file__).parent / "gates.yaml"
# Releases made under an earlier version of the table are still judged by it.
_FORMER = {1: GATES_FILE.with_name("gates-1.yaml")}

Straddle = Literal["margin", "warn"]


class Minimum(Row):
    """Minimum of training data."""

    discharges: int
    readmissions: int
    patients: int


class Gate(Row):
    """A gate: a metric and its bounds.

    Attributes
    ----------
    metric
        Path of a figure in the evaluation: with its interval, such as ``roc_auc``, or one number, such as
        ``counts.discharges``.
    at_least, at_most
        Inclusive bounds.
    margin
        How far beyond a bound the worse end of an interval may be, where the profile judges by the margin.
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
    margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    holds: bool | None = None
    with_baseline: bool = False
    where_recorded: bool = False
    why: str = ""

    @field_validator("metric")
    @classmethod
    def _known(cls, path: str) -> str:
        if path not in PATHS | INTERVALS:
            near = get_close_matches(path, PATHS | INTERVALS, n=1, cutoff=0.0)
            raise ValueError(f"there is no figure {path!r}; the nearest is {near[0]}")
        return path

    @model_validator(mode="after")
    def _demands_something(self) -> "Gate":
        if self.at_least is None and self.at_most is None and self.holds is None:
            raise ValueError("a gate needs at_least, at_most or holds, else it lets everything pass")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least:g} is above at_most {self.at_most:g}")
        if self.margin and not self.has_interval:
            raise ValueError(f"a margin needs a figure with an interval, and {self.metric} is one number")
        if self.where_recorded and BY not in self.metric:
            raise ValueError("where_recorded needs a gap by one attribute, such as gaps.sensitivity.by.race")
        if self.holds is not None and self.has_interval:
            raise ValueError(f"holds needs a yes-or-no figure, and {self.metric} is a number")
        return self

    @property
    def has_interval(self) -> bool:
        """Whether the figure comes with an interval."""
        return self.metric in INTERVALS

    @property
    def demand(self) -> str:
        """Requirement of the gate, as text."""
        bounds = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        bounds += [str(self.holds).lower()] if self.holds is not None else []
        return " and ".join(bounds)


class Approval(Row):
    """Rule for approvals."""

    roles: tuple[str, ...] = Field(min_length=1)


class Profile(Row):
    """A gate profile: intended use, minimum data and gates.

    Attributes
    ----------
    straddle
        How an interval on both sides of a bound is judged: ``margin``, its worse end must be within the gate's
        margin; ``warn``, it passes with a warning.
    groups
        Attributes whose subgroups are evaluated; all that training declares when absent.
    baseline_required
        Refuse an evaluation without a baseline release: for a hospital that has a champion.
    card_complete
        Whether every question of the model card must be answered at release.
    may_be_unevaluated
        Whether a model may be released whose test data is too little to tell how good it is.
    leakage
        What a feature does that alone orders the outcomes far better than the others, until it is accepted.
    approval
        Who must approve a release; nobody when absent.
    ethics_approval
        Who must approve its thresholds for the ethics committee; nobody when absent.
    exception_rule
        Who may lower a gate, and for how long; nobody when absent.
    exceptions
        Gates that are lowered.
    """

    meaning: str
    minimum: Minimum
    gates: tuple[Gate, ...] = Field(min_length=1)
    straddle: Straddle = "margin"
    groups: tuple[str, ...] | None = None
    baseline_required: bool = False
    card_complete: bool = False
    may_be_unevaluated: bool = False
    leakage: Literal["refuse", "warn"] = "refuse"
    approval: Approval | None = None
    ethics_approval: Approval | None = None
    exception_rule: ExceptionRule | None = None
    exceptions: tuple[GateException, ...] = ()

    @field_validator("gates")
    @classmethod
    def _named_once(cls, gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
        twice = [name for name, times in Counter(gate.name for gate in gates).items() if times > 1]
        if twice:
            raise ValueError(f"two gates have the name {twice[0]!r}")
        return gates


class Band(Row):
    """A decision band of risk and its action."""

    top_share: float = Field(gt=0, le=1)
    action: str


class SmallGroup(Row):
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


class Enough(SmallGroup):
    """Minimum of test data for an evaluation."""


class GateTable(Row):
    """The gates table."""

    version: int
    profiles: dict[str, Profile]
    policy: dict[str, Band]
    small_group: SmallGroup = SmallGroup()
    evaluated: Enough = Enough()

    @field_validator("policy")
    @classmethod
    def _someone_is_at_high_risk(cls, policy: dict[str, Band]) -> dict[str, Band]:
        if "high" not in policy or policy["high"].top_share >= 1:
            raise ValueError("the policy needs a band named high with a top_share below 1; metrics are reported for it")
        return policy

    def profile(self, name: str) -> Profile:
        """Return a profile by name."""
        if name not in self.profiles:
            raise UserError(f"There is no gate profile {name}; choose one of {', '.join(sorted(self.profiles))}.")
        return self.profiles[name]


def read_table(file: Path) -> GateTable:
    """Read a gates file.

    Raises
    ------
    UserError
        When the file is absent or not valid; it names the line and the field.
    """
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
        raise UserError(f"The gates file {file} is not valid: {fault_text(fault, text)}.") from None


@cache
def package_table() -> GateTable:
    """Return the table that ships with the package."""
    return read_table(GATES_FILE)


@cache
def table_of_version(version: int) -> GateTable:
    """Return the package's table of a version.

    Raises
    ------
    UserError
        When this package has no table of that version.
    """
    if version == package_table().version:
        return package_table()
    if version not in _FORMER:
        raise UserError(f"This package has no version {version} of the gates; use the package that made the release.")
    return read_table(_FORMER[version])
