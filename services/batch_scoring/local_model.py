"""A verified release in this process, which answers as its model server does."""

from dataclasses import fields

from model.scoring import Reason, Scorer
from services.planning.model_client import Columns, ModelAnswer, ModelReason, ModelScore
from services.planning.release import AssignedRelease

_REASON = tuple(field.name for field in fields(Reason))


class LocalModel:
    """A release that is asked without a server.

    Parameters
    ----------
    scorer : Scorer
        The release, after :func:`services.verified_release.open_verified`.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def score(self, release: AssignedRelease, columns: Columns) -> ModelAnswer:
        """Return the release's scores of some encounters.

        Raises
        ------
        UserError
            If a value is not one that the release takes.
        ValueError
            If the scores are to be another release's.
        """
        if release.digest != self._scorer.files.digest:
            raise ValueError("the scores are to be another release's than the one that was opened")
        matrix = self._scorer.matrix(columns)
        # Alone, each: a sum of floats may depend on how many rows there are, and a record is replayed bit for bit.
        scores = [score for row in range(len(matrix)) for score in self._scorer.score(matrix[row : row + 1])]
        standing = self._scorer.standing()
        return ModelAnswer(
            tuple(
                ModelScore(one.risk, one.decision, one.action, tuple(map(_reason, one.reasons)), one.warnings)
                for one in scores
            ),
            standing.evaluated,
            "; ".join(standing.cautions),
        )

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _reason(reason: Reason) -> ModelReason:
    return ModelReason.model_validate({name: getattr(reason, name) for name in _REASON})
