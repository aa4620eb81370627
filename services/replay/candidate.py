"""A candidate release that scores recorded values in this process, without a model server."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.artifact.files import CONTRACT_FILE, DIGEST_CHARACTERS
from model.errors import UserError
from model.scoring import Scorer
from model.scoring.contract import Floats
from services.replay.day import RecordedScore
from services.verified_release import ASSIGNED, open_verified

OTHER_SCHEMA, REFUSED, NO_THRESHOLD = "other-schema", "refused-by-contract", "without-threshold"
_ROWS = 1000


@dataclass(frozen=True)
class Pair:
    """A recorded score beside the candidate's, of the same values.

    Parameters
    ----------
    encounter
        Pseudonym; it orders equal risks, and is not part of the report.
    risk, above, band
        The recorded risk, whether it is above the threshold of the release that answered, and its band.
    candidate_risk, candidate_above, candidate_band
        The candidate's.
    """

    encounter: str
    risk: float
    above: bool
    band: str | None
    candidate_risk: float
    candidate_above: bool
    candidate_band: str


class Candidate:
    """A verified release.

    Parameters
    ----------
    scorer : Scorer
        The release; :meth:`open` verifies it.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    @classmethod
    def open(cls, releases: str, assigned: str) -> "Candidate":
        """Return a release after the checks of the model server.

        Parameters
        ----------
        releases : str
            Folder of all releases.
        assigned : str
            Version and digest, as ``v2@0123456789ab``.

        Raises
        ------
        UserError
            If it is not so named, or a check of :func:`services.verified_release.open_verified` fails.
        """
        if not re.fullmatch(ASSIGNED, assigned):
            raise UserError("The candidate is not named by version and digest; write it as v2@0123456789ab.")
        version, _, digest = assigned.partition("@")
        return cls(open_verified(f"{releases.rstrip('/')}/{version}/{digest[:DIGEST_CHARACTERS]}", assigned))

    @property
    def name(self) -> str:
        """Version and digest."""
        return f"{self._scorer.version}@{self._scorer.files.short}"

    @cached_property
    def schema_version(self) -> str:
        """Version of the feature definitions, as audit records have it."""
        return str(json.loads(self._scorer.files.text(CONTRACT_FILE)).get("x-schema-version", 0))

    @cached_property
    def threshold(self) -> float:
        """The least risk of the highest band, as audit records have it."""
        return self._scorer.policy.bands[0].start

    def scored(self, answers: Mapping[str, RecordedScore | str]) -> tuple[list[Pair], Counter[str]]:
        """Score recorded values.

        Returns
        -------
        tuple
            The pairs, and of how many encounters there is none, by reason.
        """
        reasons = Counter(answer for answer in answers.values() if isinstance(answer, str))
        rows: list[tuple[str, RecordedScore, Floats]] = []
        for encounter, answer in answers.items():
            if isinstance(answer, RecordedScore):
                row = self._row(answer)
                if isinstance(row, str):
                    reasons[row] += 1
                else:
                    rows.append((encounter, answer, row))
        parts = [self._pairs(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)]
        return [pair for part in parts for pair in part], reasons

    def _row(self, answer: RecordedScore) -> Floats | str:
        """Return the values of a score as the candidate takes them, or the reason why it does not."""
        names = self._scorer.names
        if answer.release.schema_version != self.schema_version or not set(names) <= answer.values.keys():
            return OTHER_SCHEMA
        if answer.release.threshold is None:
            return NO_THRESHOLD
        try:
            return self._scorer.matrix({name: [answer.values[name]] for name in names})
        except UserError:
            return REFUSED

    def _pairs(self, rows: Sequence[tuple[str, RecordedScore, Floats]]) -> list[Pair]:
        scores = self._scorer.score(np.vstack([row for _, _, row in rows]))
        return [
            Pair(
                encounter,
                answer.risk,
                answer.release.threshold is not None and answer.risk >= answer.release.threshold,
                answer.decision,
                score.risk,
                score.risk >= self.threshold,
                score.decision,
            )
            for (encounter, answer, _), score in zip(rows, scores, strict=True)
        ]
