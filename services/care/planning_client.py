"""Client of the planning service; what leaves care are pseudonyms, feature values and codes, and nothing else."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx
from pydantic import ValidationError

from services.care.fresh.features import FreshFeatures
from services.planning.schema import (
    AnyScore,
    Cohort,
    EncounterRequest,
    FeedbackRequest,
    History,
    ScoreRequest,
    ScoreResponse,
)

CONNECT_SECONDS, READ_SECONDS = 0.5, 3.0
"""Where no pod of planning runs, packets may get no answer at all: a clinician does not wait for that."""
HOOK, WORKLIST, FEEDBACK = "discharge-hook", "discharge-worklist", "feedback"
PURPOSE = "TREAT"
CANARY: Cohort = "canary"

_TIMEOUT = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)

log = logging.getLogger("services.care")


class PlanningUnavailableError(Exception):
    """Planning did not answer, or its answer is not one."""


class FeedbackRefusedError(Exception):
    """Planning refused feedback for good."""


@dataclass(frozen=True)
class PlanningClient:
    """Client of planning.

    Parameters
    ----------
    http
        Client with planning's address and the mutual TLS of the pod.
    """

    http: httpx.Client

    def score(
        self,
        features: FreshFeatures,
        request_id: UUID | None = None,
        workflow: str = HOOK,
        cohort: Cohort | None = None,
    ) -> AnyScore:
        """Return the score of one stay.

        Parameters
        ----------
        features : FreshFeatures
            The stay. Without features planning looks for the pseudonyms in the online features.
        request_id : UUID, optional
            The request that asks, by which the two audit records are one.
        workflow : str
            Row of ``services/workflows.yaml``.
        cohort : str, optional
            Whether a canary that takes only some units may answer.

        Raises
        ------
        PlanningUnavailableError
            When planning does not answer, refuses, or answers something else.
        """
        encounter = EncounterRequest(
            encounter=features.encounter,
            patient=features.patient,
            features=features.features,
            features_as_of_hours=features.as_of_hours if features.features is not None else None,
            cohort=cohort,
        )
        body = ScoreRequest(workflow=workflow, purpose=PURPOSE, encounters=[encounter])
        answer = self._post("/v1/scores", _content(body), request_id)
        try:
            (score,) = ScoreResponse.model_validate_json(answer.content).scores
        except (ValidationError, ValueError):
            log.error("Planning's answer is not a score")
            raise PlanningUnavailableError from None
        if score.encounter != features.encounter:
            log.error("Planning answered for another encounter")
            raise PlanningUnavailableError
        return score

    def score_online(self, stays: Sequence[tuple[str, str, Cohort | None]]) -> dict[str, AnyScore]:
        """Return the scores of stays by encounter, with the features that planning has online.

        Parameters
        ----------
        stays : sequence
            Pseudonyms of encounter and patient, and the cohort; at most `MOST_ENCOUNTERS`.

        Raises
        ------
        PlanningUnavailableError
            When planning does not answer, or not about all of them.
        """
        encounters = [
            EncounterRequest(encounter=encounter, patient=patient, cohort=cohort)
            for encounter, patient, cohort in stays
        ]
        body = ScoreRequest(workflow=WORKLIST, purpose=PURPOSE, encounters=encounters)
        answer = self._post("/v1/scores", _content(body), None)
        try:
            scores = {score.encounter: score for score in ScoreResponse.model_validate_json(answer.content).scores}
        except ValidationError:
            scores = {}
        if scores.keys() != {encounter for encounter, _, _ in stays}:
            log.error("Planning did not answer about all stays")
            raise PlanningUnavailableError
        return scores

    def history(self, encounter: str) -> History:
        """Return the scores of an encounter, the newest first; none of one that was never scored.

        Raises
        ------
        PlanningUnavailableError
            When planning does not answer.
        """
        try:
            answer = self.http.get(f"/v1/scores/{encounter}", timeout=_TIMEOUT)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return History(encounter=encounter, scores=[], feedback=[])
            return History.model_validate_json(answer.raise_for_status().content)
        except (httpx.HTTPError, ValidationError) as fault:
            log.error("Planning does not answer (%s)", type(fault).__name__)
            raise PlanningUnavailableError from None

    def feedback(self, content: str) -> None:
        """Deliver feedback, which :func:`feedback_content` wrote.

        Raises
        ------
        PlanningUnavailableError
            When planning does not take it now.
        FeedbackRefusedError
            When it refuses it for good.
        """
        try:
            self._post("/v1/feedback", content, None)
        except _RefusedError as refused:
            raise FeedbackRefusedError(str(refused)) from None

    def _post(self, path: str, content: str, request_id: UUID | None) -> httpx.Response:
        headers = {"Content-Type": "application/json"} | ({"X-Request-Id": str(request_id)} if request_id else {})
        try:
            answer = self.http.post(path, content=content, headers=headers, timeout=_TIMEOUT)
        except httpx.HTTPError as fault:
            log.error("Planning does not answer (%s)", type(fault).__name__)
            raise PlanningUnavailableError from None
        if answer.status_code == httpx.codes.OK:
            return answer
        log.error("Planning answered %s with status %s", path, answer.status_code)
        if answer.is_client_error and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            raise _RefusedError(f"status {answer.status_code}")
        raise PlanningUnavailableError


class _RefusedError(PlanningUnavailableError):
    """A status that another attempt would get again."""


def _content(body: ScoreRequest) -> str:
    # Without defaults: a planning of before a field was added, which an update still runs, refuses the field.
    return body.model_dump_json(exclude_defaults=True)


def feedback_content(encounter: str, record: int, code: str) -> str:
    """Return feedback as it is sent."""
    body = FeedbackRequest(workflow=FEEDBACK, purpose=PURPOSE, encounter=encounter, record=record, code=code)
    return body.model_dump_json()
