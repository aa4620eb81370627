"""A candidate scores what its contract takes, and says why it does not score the rest."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.errors import UserError
from services.audit.records import ReleaseRef
from services.replay.candidate import Candidate
from services.replay.day import RecordedScore
from tests.unit.model.scoring.test_scorer import discharges, fitted

RELEASE = ReleaseRef(model="m", version="v1", digest="0" * 64, threshold=0.4, schema_version="0")


def recorded(
    row: int = 0,
    *,
    risk: float = 0.35,
    release: ReleaseRef = RELEASE,
    values: Mapping[str, float | str | None] | None = None,
) -> RecordedScore:
    names = fitted("linear")[1].names
    own = dict(zip(names, discharges()[0][row].tolist(), strict=True))
    plain = {name: None if np.isnan(value) else value for name, value in own.items()}
    return RecordedScore(risk, "low", release, plain | {"of another release": 1.0} if values is None else values)


def test_recorded_values_are_scored() -> None:
    scorer = fitted("linear")[1]
    candidate = Candidate(scorer)
    answers = {f"v1-{row:06x}": recorded(row) for row in range(30)}
    pairs, reasons = candidate.scored(answers)
    assert not reasons
    scores = scorer.score(discharges()[0][:30])
    assert [pair.candidate_risk for pair in pairs] == pytest.approx([score.risk for score in scores], abs=1e-12)
    assert [pair.candidate_band for pair in pairs] == [score.decision for score in scores]
    # The recorded score is above the recorded release's threshold, the candidate's above its own.
    assert (candidate.threshold, {pair.above for pair in pairs}) == (0.3, {False})
    assert {pair.candidate_above for pair in pairs} == {True, False}
    assert all(pair.candidate_above == (pair.candidate_band == "high") for pair in pairs)
    assert candidate.scored({"v1-000000": recorded(risk=0.4)})[0][0].above


def test_what_is_not_scored_has_a_reason() -> None:
    answers: dict[str, RecordedScore | str] = {
        "v1-000001": "erased",
        "v1-000002": recorded(release=replace(RELEASE, schema_version="1")),
        "v1-000003": recorded(values={"age": 60.0}),
        "v1-000004": recorded(release=replace(RELEASE, threshold=None)),
        "v1-000005": recorded(values=dict(recorded().values) | {"age": 400.0}),
        "v1-000006": "fallback",
        "v1-000007": recorded(),
    }
    pairs, reasons = Candidate(fitted("linear")[1]).scored(answers)
    assert [pair.encounter for pair in pairs] == ["v1-000007"]
    assert reasons == {
        "erased": 1,
        "fallback": 1,
        "other-schema": 2,
        "without-threshold": 1,
        "refused-by-contract": 1,
    }


@pytest.mark.parametrize("name", ["v2", "v2@", "v2@abc", "../v2@0123456789ab", "v2@0123456789ab/..", "@0123456789ab"])
def test_a_candidate_is_named_by_version_and_digest(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="not named by version and digest"):
        Candidate.open(str(tmp_path), name)
