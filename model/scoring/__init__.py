"""Score discharges with a release. Needs numpy, pydantic and cryptography only; scikit-learn for older releases."""

from model.scoring.contract import Contract
from model.scoring.scorer import Reason, Score, Scorer

__all__ = ["Contract", "Reason", "Score", "Scorer"]
