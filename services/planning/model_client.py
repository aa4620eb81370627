"""Client of the model server (Open Inference Protocol v2) with a budget of time for the whole answer.

An answer counts only if it is the assigned release's: the server says with every answer which version and digest it
serves, and its decisions must be those of the release's own thresholds.
"""

import concurrent.futures
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.planning.open_inference import tensor_body
from services.planning.release import AssignedRelease, ReleaseSource

log = logging.getLogger("services.planning")

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes; more than any answer to a bounded request."""
CALLS_AT_ONCE = 16

Columns = Mapping[str, Sequence[float | None]]


class FallbackReason(StrEnum):
    """Reason for which patients are ranked by LACE and not by the release."""

    MODEL_UNAVAILABLE = "model-unavailable"
    MODEL_SLOW = "model-slow"
    WRONG_RELEASE = "wrong-release"
    FEATURES_STALE = "features-stale"


class ModelFailureError(Exception):
    """The model server gave no answer that counts.

    Parameters
    ----------
    reason : FallbackReason
        Why.
    incomplete : bool
        Whether it answered, and the record of the answer would not be complete: what it lacks or says otherwise is the
        release, a score, a decision of the release's thresholds or a reason.
    """

    def __init__(self, reason: FallbackReason, *, incomplete: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.incomplete = reason, incomplete


class ModelReason(BaseModel):
    """Contribution of one feature to a risk, as the model server returns it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    feature: str
    text: str
    value: Annotated[float, Field(allow_inf_nan=False)] | str | None
    direction: Literal["raises", "lowers"]


@dataclass(frozen=True)
class ModelScore:
    """The model server's answer for one encounter."""

    risk: float
    decision: str
    action: str
    reasons: tuple[ModelReason, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ModelAnswer:
    """The model server's answer to a request.

    Attributes
    ----------
    scores
        One for each encounter, in order.
    evaluated, caution
        Whether the release was evaluated, and what to be careful of.
    """

    scores: tuple[ModelScore, ...]
    evaluated: bool
    caution: str


class _Parameters(BaseModel):
    release: str
    evaluated: bool = True
    caution: str = ""


class _Output(BaseModel):
    name: str
    data: list[object]


class _Response(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    parameters: _Parameters
    outputs: list[_Output]


class ModelClient:
    """Client of a model server; safe to use from several threads.

    Parameters
    ----------
    client : httpx.Client
        Verifies the server's identity.
    url : str
        The model's ``…/v2/models/NAME/infer``.
    budget_seconds : float
        Time for connecting, asking and reading the whole answer. httpx has a limit for each step and none for their
        sum, so the call runs on a thread of its own, which nobody waits for after the budget.
    """

    def __init__(self, client: httpx.Client, url: str, budget_seconds: float) -> None:
        self._client, self._url, self._budget = client, url, budget_seconds
        self._threads = concurrent.futures.ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="model-client")

    def score(self, release: AssignedRelease, columns: Columns) -> ModelAnswer:
        """Return the release's scores of some encounters.

        Parameters
        ----------
        release : AssignedRelease
            The release that must answer.
        columns : mapping
            One value of each encounter by feature.

        Raises
        ------
        ModelFailureError
            If there is no answer within the budget, or it is not of this release.
        """
        count = len(next(iter(columns.values())))
        call = self._threads.submit(self._post, _request(release, columns))
        try:
            content = call.result(timeout=self._budget)
        except (concurrent.futures.TimeoutError, httpx.TimeoutException):
            call.cancel()
            raise ModelFailureError(FallbackReason.MODEL_SLOW) from None
        except ModelFailureError:
            raise
        except Exception as fault:
            # Whatever the client raises, care goes on with LACE.
            log.warning("The model server cannot be asked: %s", type(fault).__name__)
            raise ModelFailureError(FallbackReason.MODEL_UNAVAILABLE) from None
        return _answer(content, release, count)

    def close(self) -> None:
        """Close the connections; calls that still run end with them."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        end = time.monotonic() + self._budget
        with self._client.stream(
            "POST", self._url, content=body, headers=headers, timeout=self._budget, follow_redirects=False
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise ModelFailureError(FallbackReason.MODEL_UNAVAILABLE)
            parts, size = [], 0
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > LARGEST_ANSWER:
                    raise ModelFailureError(FallbackReason.MODEL_UNAVAILABLE)
                if time.monotonic() > end:
                    raise ModelFailureError(FallbackReason.MODEL_SLOW)
        return b"".join(parts)


class Model(Protocol):
    """Model that scores with a release: the client of a model server, or the release in this process."""

    def score(self, release: AssignedRelease, columns: Columns) -> ModelAnswer:
        """Return the release's scores of some encounters."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True)
class ReleaseServer:
    """A release and what scores with it."""

    source: ReleaseSource
    client: Model


def _request(release: AssignedRelease, columns: Columns) -> bytes:
    rows = list(zip(*(columns[name] for name in release.contract.names), strict=True))
    return json.dumps(tensor_body(release.contract.order, rows), allow_nan=False).encode()


def _answer(content: bytes, release: AssignedRelease, count: int) -> ModelAnswer:
    try:
        response = _Response.model_validate_json(content)
    except ValidationError:
        raise ModelFailureError(FallbackReason.MODEL_UNAVAILABLE, incomplete=True) from None
    served = (response.model_name, response.model_version, response.parameters.release)
    if served != (release.model, release.version, release.short):
        raise ModelFailureError(FallbackReason.WRONG_RELEASE, incomplete=True)
    outputs = {output.name: output.data for output in response.outputs}
    try:
        columns = [outputs[name] for name in ("risk", "decision", "action", "reasons", "warnings")]
        if any(len(column) != count for column in columns):
            raise ValueError("another number of scores than of encounters")
        scores = tuple(_score(row, release.band) for row in zip(*columns, strict=True))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ModelFailureError(FallbackReason.MODEL_UNAVAILABLE, incomplete=True) from None
    return ModelAnswer(scores, response.parameters.evaluated, response.parameters.caution)


def _score(row: Sequence[Any], band: Callable[[float], Any]) -> ModelScore:
    risk, decision, action, reasons, warnings = row
    if isinstance(risk, bool) or not isinstance(risk, int | float) or not math.isfinite(risk) or not 0 <= risk <= 1:
        raise ValueError("not a probability")
    if decision != band(risk).name:
        # Its thresholds are not those of the assigned release.
        raise ModelFailureError(FallbackReason.WRONG_RELEASE, incomplete=True)
    return ModelScore(
        risk=float(risk),
        decision=decision,
        action=str(action),
        reasons=tuple(ModelReason.model_validate(reason) for reason in json.loads(reasons)),
        warnings=tuple(str(warning) for warning in json.loads(warnings)),
    )
