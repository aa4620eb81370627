"""Gate: a metric of an evaluation, and its bounds."""

from difflib import get_close_matches

from pydantic import Field, field_validator, model_validator

from model.gates.row import Row
from model.metrics.figure_names import BY
from model.metrics.figures import INTERVALS, PATHS


class Gate(Row):
    """Gate: a metric and its bounds.

    Attributes
    ----------
    name : str
        Name of the gate.
    metric : str
        Path of a metric in the evaluation: with its interval, such as ``roc_auc``, or one number, such as
        ``counts.discharges``.
    at_least, at_most : float or None
        Inclusive bounds.
    margin : float
        How far beyond a bound the worse end of an interval may be, where the profile judges by the margin.
    holds : bool or None
        Required value of a yes-or-no metric.
    with_baseline : bool
        Judge only an evaluation with a baseline release.
    where_recorded : bool
        Judge only where the attribute is recorded, with two groups that are large enough.
    why : str
        Reason for the gate.

    Examples
    --------
    >>> from model.gates import Gate
    >>> gate = Gate(name="discrimination", metric="roc_auc", at_least=0.65, margin=0.02)
    >>> gate.demand, gate.has_interval
    ('at least 0.65', True)
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
