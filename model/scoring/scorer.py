"""Scorer of a release: risk, decision and main reasons of a discharge."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from model.artifact.files import (
    CONTRACT_FILE,
    LINEAGE_FILE,
    METRICS_FILE,
    PIPELINE_FILE,
    POLICY_FILE,
    REFERENCE_FILE,
    ReleaseFiles,
)
from model.artifact.loading import load
from model.artifact.reference import deviation
from model.artifact.standing import Standing, standing
from model.artifact.trust import open_release
from model.dataset.prepared_columns import origins
from model.definitions.window import window_of
from model.scoring.contract import Contract, Feature, Floats, Values
from model.scoring.explain import Exact, Explainer, Explanation, Occlusion

REASONS = 3


@dataclass(frozen=True)
class Reason:
    """Contribution of one feature to the log-odds, against the typical discharge of the training data."""

    feature: str
    meaning: str
    value: float | str | None
    direction: str
    contribution: float
    text: str


@dataclass(frozen=True)
class Score:
    """Predicted risk of one discharge (a probability), decision and main reasons.

    There are no reasons if every feature has its typical value.
    """

    risk: float
    decision: str
    action: str
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]


class Scorer:
    """A loaded release that predicts and explains risks.

    Parameters
    ----------
    files : ReleaseFiles
        The verified files; :meth:`open` verifies them.

    Raises
    ------
    UserError
        If the pipeline cannot be loaded safely.

    Examples
    --------
    >>> from pathlib import Path
    >>> from model import Scorer
    >>> [release] = Path("releases", "v1").iterdir()
    >>> scorer = Scorer.open(str(release))
    >>> scorer.names[:3], scorer.return_days
    (('age', 'female', 'stay_days'), 30)
    >>> typical = scorer.contract.usual.reshape(1, -1)  # shape (n discharges, n features), NaN for missing
    >>> [score] = scorer.score(typical)
    >>> score.decision in {"low", "medium", "high"}, 0 < score.risk < 1, score.reasons
    (True, True, ())
    """

    def __init__(self, files: ReleaseFiles) -> None:
        self.files = files
        self.contract = Contract.parse(files.text(CONTRACT_FILE))
        self._bands = [(b["name"], float(b["from"]), b["action"]) for b in json.loads(files.text(POLICY_FILE))["bands"]]
        self.pipeline = load(files.contents[PIPELINE_FILE]).pipeline
        self._explainer = explainer(self.pipeline, self.contract)

    @classmethod
    def open(cls, place: str, *, trusted: Collection[str] | None = None, named: str | None = None) -> "Scorer":
        """Check a release's hashes and signature, as :func:`model.artifact.trust.open_release` does, and load it."""
        return cls(open_release(place, trusted=trusted, named=named).files)

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the model's order."""
        return self.contract.names

    @property
    def method(self) -> str:
        """Explanation method of the reasons."""
        return self._explainer.method

    @cached_property
    def lineage(self) -> dict[str, Any]:
        """Lineage of the release."""
        found: dict[str, Any] = json.loads(self.files.text(LINEAGE_FILE))
        return found

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The figures of its evaluation."""
        found: dict[str, Any] = json.loads(self.files.text(METRICS_FILE))
        return found

    def standing(self, today: date | None = None) -> Standing:
        """Return whether it was evaluated, and what to say with every risk."""
        return standing(self.lineage, self.metrics, today or date.today())

    @cached_property
    def version(self) -> str:
        """The released version."""
        return str(self.lineage["version"])

    @cached_property
    def name(self) -> str:
        """The model's name on a server."""
        return str(self.lineage["model"])

    @cached_property
    def return_days(self) -> int | None:
        """The readmission window that it was built for, in days; none where a hospital's own table has the outcome."""
        return window_of(self.lineage)

    def deviation(self) -> float:
        """Return the largest difference from the evaluated pipeline's reference predictions."""
        return deviation(self.files.text(REFERENCE_FILE), lambda values: self._explainer.explain(values).risk)

    def matrix(self, columns: Mapping[str, Values]) -> Floats:
        """Return named columns in the model's order; what does not fit the contract is refused."""
        return self.contract.matrix(columns)

    def risks(self, values: Floats) -> Floats:
        """Return risks only; NaN is missing."""
        found: Floats = self.pipeline.predict_proba(values)[:, 1]
        return found

    def explain(self, values: Floats) -> Explanation:
        """Return risks and what every feature adds to them, for discharges one a row."""
        return self._explainer.explain(values)

    def score(self, values: Floats) -> list[Score]:
        """Score discharges, one a row; NaN is missing."""
        found = self._explainer.explain(values)
        return [
            self._one(float(risk), row, parts)
            for risk, row, parts in zip(found.risk, values, found.contributions, strict=True)
        ]

    def _one(self, risk: float, row: Floats, parts: Floats) -> Score:
        name, action = next((name, action) for name, start, action in self._bands if risk >= start)
        strongest = np.argsort(-np.abs(parts), kind="stable")[:REASONS]
        reasons = [
            _reason(self.contract.features[i], float(row[i]), float(parts[i])) for i in strongest if parts[i] != 0
        ]
        return Score(risk, name, action, tuple(reasons), self.contract.warnings(row))


def explainer(pipeline: Any, contract: Contract) -> Explainer:
    """Return the explainer of a fitted pipeline: exact for a linear model, occlusion for any other."""
    preprocessing, model = pipeline.named_steps["prepare"], pipeline.named_steps["model"]
    if isinstance(model, LogisticRegression):
        return Exact(preprocessing, model, origins(preprocessing), contract.usual)
    return Occlusion(pipeline, contract.usual)


def _reason(feature: Feature, value: float, part: float) -> Reason:
    shown, direction = feature.shown(value), "raises" if part > 0 else "lowers"
    plain: float | str = shown if feature.categories else round(value, 3)
    return Reason(
        feature=feature.name,
        meaning=feature.meaning,
        value=None if np.isnan(value) else plain,
        direction=direction,
        contribution=round(part, 4),
        text=f"{feature.meaning}: {shown}, {direction} the risk",
    )
