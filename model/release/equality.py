"""Proof that a compiled model is the evaluated pipeline: the same risks and contributions on rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from model.artifact.reference import TOLERANCE
from model.compiled.compiler import compiled
from model.compiled.document import LinearDocument, TreesDocument
from model.compiled.explanation import Explanation, Floats
from model.compiled.loading import explainer
from model.errors import UserError
from model.scoring.contract import Contract
from model.scoring.explain import explainer as evaluated_explainer


@dataclass(frozen=True)
class Difference:
    """Largest differences between a compiled model and its pipeline.

    Attributes
    ----------
    risk
        Of the risk, a probability.
    contribution
        Of a contribution on the log-odds; relative where it is larger than 1.
    """

    risk: float
    contribution: float

    @property
    def equal(self) -> bool:
        """Whether both are within the tolerance; a difference that is not a number is not."""
        return self.risk <= TOLERANCE and self.contribution <= TOLERANCE


def proved(pipeline: Any, contract: Contract, pipeline_sha256: str, rows: Floats) -> LinearDocument | TreesDocument:
    """Return the compiled form of a pipeline, after comparing both on rows.

    Parameters
    ----------
    pipeline : Pipeline
        The evaluated pipeline.
    contract : Contract
        Its features.
    pipeline_sha256 : str
        SHA-256 of the stored pipeline.
    rows : array of shape (n, k)
        The rows to compare on: at a release, the whole test set and the reference inputs.

    Raises
    ------
    UserError
        If the pipeline cannot be compiled, or its compiled form gives other numbers.
    """
    document = compiled(pipeline, contract.names, pipeline_sha256)
    away = difference(document, pipeline, contract, rows)
    if not away.equal:
        raise UserError(
            f"The compiled model differs from the evaluated pipeline (risk {away.risk:.1e}, contribution "
            f"{away.contribution:.1e}, allowed {TOLERANCE:g}); train again."
        )
    return document


def difference(document: LinearDocument | TreesDocument, pipeline: Any, contract: Contract, rows: Floats) -> Difference:
    """Return the largest differences between a compiled form and a pipeline on rows, and on the usual discharge."""
    pairs = [
        (model.explain(rows), model.explain(contract.usual.reshape(1, -1)))
        for model in (explainer(document, contract.usual), evaluated_explainer(pipeline, contract))
    ]
    differences = [_between(own, expected) for own, expected in zip(*pairs, strict=True)]
    # The explainer of the pipeline shares code with no other; the risk is held against predict_proba itself.
    risk = pipeline.predict_proba(rows)[:, 1]
    differences.append(Difference(_largest(pairs[0][0].risk - risk), 0.0))
    return Difference(max(one.risk for one in differences), max(one.contribution for one in differences))


def _between(own: Explanation, expected: Explanation) -> Difference:
    scale = np.maximum(1.0, np.abs(expected.contributions))
    contribution = _largest((own.contributions - expected.contributions) / scale)
    baseline = abs(own.baseline - expected.baseline) / max(1.0, abs(expected.baseline))
    return Difference(_largest(own.risk - expected.risk), max(contribution, baseline))


def _largest(differences: Floats) -> float:
    """Return the largest absolute value; infinite if one is not a number."""
    return float(np.nan_to_num(np.abs(differences), nan=np.inf, posinf=np.inf).max(initial=0.0))
