"""Gates table: for each profile the metrics that an evaluation must reach, and their bounds."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from model.errors import UserError
from model.gates.exceptions import ExceptionRule, GateException
from model.gates.gate import Gate
from model.gates.row import Row
from model.io.yaml_tables import fault_text

GATES_FILE = Path(__file__).parent / "gates.yaml"
# Releases made under an earlier version of the table are still judged by it.
_FORMER = {1: GATES_FILE.with_name("gates-1.yaml")}

Straddle = Literal["margin", "warn"]


class Minimum(Row):
    """Minimum of training data.

    Attributes
    ----------
    discharges, readmissions, patients : int
        Least numbers in the training data.

    Examples
    --------
    >>> from model.gates import Minimum
    >>> Minimum(discharges=1000, readmissions=100, patients=800).readmissions
    100
    """

    discharges: int
    readmissions: int
    patients: int


class Approval(Row):
    """Rule for approvals.

    Attributes
    ----------
    roles : tuple of str
        Roles that may approve.

    Examples
    --------
    >>> from model.gates import Approval
    >>> Approval(roles=("clinical-safety-officer",)).roles
    ('clinical-safety-officer',)
    """

    roles: tuple[str, ...] = Field(min_length=1)


class Profile(Row):
    """Gate profile: intended use, minimum of training data, and gates.

    Attributes
    ----------
    meaning : str
        Intended use.
    minimum : Minimum
        Minimum of training data.
    gates : tuple of Gate
        Gates, each with a name of its own.
    straddle : {"margin", "warn"}
        How an interval on both sides of a bound is judged: ``margin``, its worse end must be within the gate's
        margin; ``warn``, it passes with a warning.
    groups : tuple of str or None
        Attributes whose subgroups are evaluated; None for all that training declares.
    baseline_required : bool
        Refuse an evaluation without a baseline release: for a hospital that has a champion.
    card_complete : bool
        Refuse a release whose model card leaves a question unanswered.
    may_be_unevaluated : bool
        Allow a release whose test data is too little to estimate its performance.
    leakage : {"refuse", "warn"}
        Effect of a feature that leaks the outcome, until it is accepted.
    approval : Approval or None
        Rule for the approval of a release; None when no approval is needed.
    ethics_approval : Approval or None
        Rule for the ethics approval of its thresholds; None when no approval is needed.
    exception_rule : ExceptionRule or None
        Rule for exceptions; None when no gate may be lowered.
    exceptions : tuple of GateException
        Exceptions in the table.

    Examples
    --------
    >>> from model.gates import gate_table
    >>> clinical = gate_table().profile("clinical")
    >>> clinical.may_be_unevaluated, clinical.card_complete
    (False, True)
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
    """Group size below which metrics are withheld: they would show chance, or a person.

    Attributes
    ----------
    discharges : int
        Least number of discharges.
    outcomes : int
        Least number of discharges with, and without, a readmission.

    Examples
    --------
    >>> from model.gates import SmallGroup
    >>> SmallGroup(discharges=40, outcomes=10).too_small(60, 4)
    'fewer than 10 of an outcome'
    """

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
    """Minimum of test data for an evaluation.

    Attributes
    ----------
    discharges, outcomes : int
        As in :class:`SmallGroup`, for the whole test data.

    Examples
    --------
    >>> from model.gates import Enough
    >>> Enough(discharges=100, outcomes=20).too_small(99, 30)
    'fewer than 100 discharges'
    """


class GateTable(Row):
    """Gates table.

    Attributes
    ----------
    version : int
        Version of the table, which a release names.
    profiles : dict of str to Profile
        Profiles by name.
    policy : dict of str to Band
        Decision bands by name; ``high`` is one of them.
    small_group : SmallGroup
        Size below which a group's metrics are withheld.
    evaluated : Enough
        Minimum of test data.

    Examples
    --------
    >>> from model.gates import gate_table
    >>> sorted(gate_table().profiles)
    ['clinical', 'demonstration', 'development']
    """

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

    Parameters
    ----------
    version : int
        Version that a release names.

    Returns
    -------
    GateTable
        Table of that version.

    Raises
    ------
    UserError
        If this package has no table of that version.

    Examples
    --------
    >>> from model.gates import table_of_version
    >>> table_of_version(1).version
    1
    """
    if version == package_table().version:
        return package_table()
    if version not in _FORMER:
        raise UserError(f"This package has no version {version} of the gates; use the package that made the release.")
    return read_table(_FORMER[version])
