"""Score discharges with a release: risk, decision and the main reasons. Needs numpy, scikit-learn and joblib only."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt

from model.errors import UserError
from model.release.files import CONTRACT_FILE, LINEAGE_FILE, PIPELINE_FILE, POLICY_FILE, ReleaseFiles, read
from model.training.prepare import origins

Floats = npt.NDArray[np.float64]

REASONS = 3


@dataclass(frozen=True)
class Reason:
    """What one feature adds to the log-odds, against the average discharge of the training data."""

    feature: str
    meaning: str
    value: float | None
    direction: str
    contribution: float
    text: str


@dataclass(frozen=True)
class Score:
    """The answer for one discharge."""

    risk: float
    decision: str
    action: str
    reasons: tuple[Reason, ...]


class Scorer:
    """A loaded release."""

    def __init__(self, files: ReleaseFiles) -> None:
        self.files = files
        self._pipeline = joblib.load(io.BytesIO(files.contents[PIPELINE_FILE]))
        self._contract = json.loads(files.text(CONTRACT_FILE))
        self._policy = json.loads(files.text(POLICY_FILE))
        self._prepare, self._model = self._pipeline.named_steps["prepare"], self._pipeline.named_steps["model"]
        self._origins = origins(self._prepare)

    @classmethod
    def open(cls, place: str) -> "Scorer":
        """Check a release's hashes and load it."""
        return cls(read(place))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features, in the model's order."""
        return tuple(self._contract["x-order"])

    @cached_property
    def lineage(self) -> dict[str, Any]:
        """What the release was made from."""
        found: dict[str, Any] = json.loads(self.files.text(LINEAGE_FILE))
        return found

    @property
    def version(self) -> str:
        """The released version."""
        return str(self.lineage["version"])

    @property
    def name(self) -> str:
        """The model's name on a server."""
        return str(self.lineage["model"])

    def matrix(self, columns: Mapping[str, Sequence[float | None]]) -> Floats:
        """Return named columns in the model's order; a name that the contract does not know or asks for is refused."""
        unknown = sorted(set(columns) - set(self.names))
        absent = sorted(set(self.names) - set(columns))
        if unknown or absent:
            what = f"unknown: {', '.join(unknown) or 'none'}; missing: {', '.join(absent) or 'none'}"
            raise UserError(f"The features do not fit the model's contract ({what}).")
        if len({len(column) for column in columns.values()}) != 1:
            raise UserError("The features have different lengths; give one value for each discharge.")
        try:
            values = np.column_stack([np.asarray(columns[name], dtype=np.float64) for name in self.names])
        except (TypeError, ValueError):
            raise UserError("A feature holds something else than numbers; give numbers or null.") from None
        if np.isinf(values).any():
            raise UserError("A feature is infinite; give finite numbers or null.")
        return values

    def score(self, values: Floats) -> list[Score]:
        """Score discharges, one a row; NaN is missing."""
        risks = self._pipeline.predict_proba(values)[:, 1]
        prepared = self._prepare.transform(values) * self._model.coef_[0]
        parts = np.zeros(values.shape)
        np.add.at(parts.T, list(self._origins), prepared.T)
        return [self._one(float(risk), row, part) for risk, row, part in zip(risks, values, parts, strict=True)]

    def _one(self, risk: float, row: Floats, part: Floats) -> Score:
        band = next(b for b in self._policy["bands"] if risk >= b["from"])
        strongest = np.argsort(-np.abs(part), kind="stable")[:REASONS]
        return Score(risk, band["name"], band["action"], tuple(self._reason(int(i), row, part) for i in strongest))

    def _reason(self, place: int, row: Floats, part: Floats) -> Reason:
        name, value = self.names[place], float(row[place])
        about = self._contract["properties"][name]
        meaning = about["description"]
        direction = "raises" if part[place] > 0 else "lowers"
        return Reason(
            feature=name,
            meaning=meaning,
            value=None if np.isnan(value) else round(value, 3),
            direction=direction,
            contribution=round(float(part[place]), 4),
            text=f"{meaning}: {_shown(value, about['x-unit'])}, {direction} the risk",
        )


def _shown(value: float, unit: str) -> str:
    """Return a value as a clinician reads it."""
    if np.isnan(value):
        return "not recorded"
    if unit == "0/1":
        return "yes" if value else "no"
    return f"{value:.3g}" if unit in ("count", "points") else f"{value:.3g} {unit}"
