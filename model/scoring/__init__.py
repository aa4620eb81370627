"""Score discharges with a release. Needs numpy, pydantic and cryptography only; scikit-learn for older releases."""

from model.scoring.contract import Contract
from model.scoring.score import Reason, Score
from model.scoring.scorer import Scorer

__all__ = ["Contract", "Reason", "Score", "Scorer"]
