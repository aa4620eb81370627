"""Score discharges with a release. Needs numpy, scikit-learn, joblib and cryptography only."""

from model.scoring.contract import Contract
from model.scoring.explain import Exact, Occlusion
from model.scoring.scorer import Reason, Score, Scorer

__all__ = ["Contract", "Exact", "Occlusion", "Reason", "Score", "Scorer"]
