"""Scorer of a release: risk, decision and main reasons of a discharge."""

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np

from model.artifact.files import (
    COMPILED_FILE,
    CONTRACT_FILE,
    LINEAGE_FILE,
    METRICS_FILE,
    PIPELINE_FILE,
    POLICY_FILE,
    REFERENCE_FILE,
    ReleaseFiles,
)
from model.artifact.reference import deviation
from model.artifact.trust import open_release
from model.compiled.document import LinearDocument, TreesDocument, parse
from model.compiled.explanation import Explainer, Explanation
from model.compiled.loading import explainer
from model.errors import UserError
from model.io.json_elements import element
from model.metrics.figures import Figures
from model.scoring.contract import Contract, Floats, Values
from model.scoring.lineage import Lineage
from model.scoring.policy import DecisionPolicy
from model.scoring.score import Places, Reason, Score, reason_of, strongest
from model.scoring.standing import Standing, standing


class Scorer:
    """A loaded release that predicts and explains risks.

    It computes with the compiled model of the release, and loads the pipeline only if something asks for it. A release
    from before compiled models computes with its pipeline: the same numbers, more slowly.

    Parameters
    ----------
    files : ReleaseFiles
        Verified files of a release; :meth:`open` verifies and returns a scorer.

    Raises
    ------
    UserError
        If the compiled model is not of the release's pipeline and contract, or the pipeline cannot be loaded safely.

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
        self.policy = DecisionPolicy.parse(files.text(POLICY_FILE))
        self._bands = [(band.name, band.start, band.action) for band in self.policy.bands]
        self.compiled = COMPILED_FILE in files.contents
        self._explainer = compiled_explainer(files, self.contract) if self.compiled else self.evaluated_explainer

    @classmethod
    def open(cls, place: str, *, trusted: Collection[str] | None = None, named: str | None = None) -> "Scorer":
        """Check a release's hashes and signature, as :func:`model.artifact.trust.open_release` does, and load it."""
        return cls(open_release(place, trusted=trusted, named=named).files)

    @cached_property
    def pipeline(self) -> Any:
        """The evaluated pipeline, loaded when it is first asked for."""
        # The model server needs neither scikit-learn nor an unpickler while releases have a compiled model.
        from model.artifact.loading import load

        return load(self.files.contents[PIPELINE_FILE]).pipeline

    @property
    def document(self) -> LinearDocument | TreesDocument:
        """The compiled model as it is stored.

        Raises
        ------
        UserError
            If the release is from before compiled models.
        """
        if not self.compiled:
            raise UserError(f"The release {self.files.short} has no compiled model; release the run again.")
        return parse(self.files.contents[COMPILED_FILE])

    @cached_property
    def evaluated_explainer(self) -> Explainer:
        """The explainer that computes with the evaluated pipeline."""
        from model.scoring.explain import explainer as of_pipeline

        return of_pipeline(self.pipeline, self.contract)

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the model's order."""
        return self.contract.names

    @property
    def method(self) -> str:
        """Explanation method of the reasons."""
        return self._explainer.method

    @cached_property
    def lineage(self) -> Lineage:
        """Lineage of the release."""
        return Lineage.parse(self.files.text(LINEAGE_FILE))

    @cached_property
    def figures(self) -> Figures:
        """The figures of its evaluation."""
        return Figures.of(element(element(json.loads(self.files.text(METRICS_FILE))).get("evaluation")))

    def standing(self, today: date | None = None) -> Standing:
        """Return whether it was evaluated, and what to say with every risk."""
        return standing(self.lineage, self.figures, today or date.today())

    @cached_property
    def version(self) -> str:
        """The released version."""
        return self.lineage.version

    @cached_property
    def name(self) -> str:
        """The model's name on a server."""
        return self.lineage.model

    @cached_property
    def return_days(self) -> int | None:
        """The readmission window that it was built for, in days; none where a hospital's own table has the outcome."""
        return self.lineage.window

    def deviation(self) -> float:
        """Return the largest difference from the evaluated pipeline's reference predictions."""
        return deviation(self.files.text(REFERENCE_FILE), lambda values: self._explainer.explain(values).risk)

    def matrix(self, columns: Mapping[str, Values]) -> Floats:
        """Return named columns in the model's order; what does not fit the contract is refused."""
        return self.contract.matrix(columns)

    def risks(self, values: Floats) -> Floats:
        """Return the evaluated pipeline's risks only; NaN is missing."""
        risks: Floats = self.pipeline.predict_proba(values)[:, 1]
        return risks

    def explain(self, values: Floats) -> Explanation:
        """Return risks and what every feature adds to them, for discharges one a row.

        Raises
        ------
        UserError
            If a number is so large that the risk cannot be computed.
        """
        explanation = self._explainer.explain(values)
        if not np.isfinite(explanation.contributions).all():
            place = int(np.flatnonzero(~np.isfinite(explanation.contributions).all(axis=0))[0])
            raise UserError(f"{self.names[place]} is too large to compute a risk; check its unit and its source.")
        return explanation

    def score(self, values: Floats) -> list[Score]:
        """Score discharges, one a row; NaN is missing."""
        explanations = self.explain(values)
        places = strongest(explanations.contributions)
        reasons = self._reasons(
            places,
            np.take_along_axis(values, places, axis=1),
            np.take_along_axis(explanations.contributions, places, axis=1),
        )
        warnings = self.contract.warnings(values)
        return [
            Score(risk, *self._band(risk), row_reasons, row_warnings)
            for risk, row_reasons, row_warnings in zip(explanations.risk.tolist(), reasons, warnings, strict=True)
        ]

    def _band(self, risk: float) -> tuple[str, str]:
        return next((name, action) for name, start, action in self._bands if risk >= start)

    def _reasons(self, places: Places, values: Floats, parts: Floats) -> list[tuple[Reason, ...]]:
        """Return the reasons of each row; a feature that adds nothing is none."""
        features, count = self.contract.features, places.shape[1]
        cells = zip(places.ravel().tolist(), values.ravel().tolist(), parts.ravel().tolist(), strict=True)
        reasons = [reason_of(features[place], value, part) for place, value, part in cells]
        rows = [tuple(reasons[start : start + count]) for start in range(0, len(reasons), count)]
        for row in np.flatnonzero((parts == 0).any(axis=1)).tolist():
            rows[row] = tuple(reason for reason, part in zip(rows[row], parts[row].tolist(), strict=True) if part != 0)
        return rows


def compiled_explainer(files: ReleaseFiles, contract: Contract) -> Explainer:
    """Return the explainer of a release's compiled model.

    Raises
    ------
    UserError
        If it cannot be read, or is of another pipeline or other features than the release's.
    """
    document = parse(files.contents[COMPILED_FILE])
    if document.pipeline_sha256 != hashlib.sha256(files.contents[PIPELINE_FILE]).hexdigest():
        raise UserError("The release's compiled model is of another pipeline; release the run again.")
    if document.names != contract.names:
        raise UserError("The release's compiled model has other features than its contract; release the run again.")
    return explainer(document, contract.usual)
