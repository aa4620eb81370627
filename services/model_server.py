"""The runtime by which MLServer answers the Open Inference Protocol v2 with a release.

The release is checked before it is loaded: every file, the signature against the keys that the platform trusts
(``HMLOPS_TRUSTED_KEYS``), the version and digest that it deployed (``HMLOPS_RELEASE``, where set), and that this
process predicts the reference inputs as the evaluated pipeline did. A request names each feature of the contract as
one input, a category of a hospital's own table as text (BYTES), or has all features in one input ``features`` of shape
[n, k] (:mod:`services.planning.open_inference`); the answer is risk, decision, action, the main reasons
and warnings (JSON) for each discharge, and with every answer the readmission window that the release was built for
(``return_days``; absent where a hospital's own table has the outcome), whether the model was evaluated (``evaluated``)
and what to be careful of (``caution``). The distribution of risks is among the server's figures, by which drift is
seen.
"""

import gc
import json
import logging
import math
import os
from dataclasses import fields
from pathlib import Path

from mlserver import MLModel
from mlserver.errors import InferenceError
from mlserver.types import Datatype, InferenceRequest, InferenceResponse, Parameters, ResponseOutput
from mlserver.utils import get_model_uri

from model.artifact import files
from model.artifact.reference import TOLERANCE
from model.errors import UserError
from model.scoring import Contract, Reason, Scorer
from model.scoring.contract import Floats
from services.figures import RISKS
from services.planning.open_inference import ORDER, TENSOR
from services.verified_release import open_verified

RELEASE = "HMLOPS_RELEASE"
TEXT = "str"
_REASON = tuple(field.name for field in fields(Reason))

log = logging.getLogger("mlserver.readmission")


class ReadmissionModel(MLModel):
    """MLServer runtime of a release."""

    scorer: Scorer | None = None

    async def load(self) -> bool:
        """Check the release and load it; one that does not hold leaves the model unready, and the log says why."""
        place = Path(await get_model_uri(self.settings, [files.LIST_FILE]))
        try:
            self.scorer = opened(str(place.parent if place.is_file() else place))
        except UserError as fault:
            log.error("Not ready: %s", fault)
            return False
        for caution in self.scorer.standing().cautions:
            log.warning("%s %s: %s", self.scorer.name, self.scorer.files.short, caution)
        if not self.scorer.compiled:
            log.warning(
                "%s %s has no compiled model, so scores take longer.", self.scorer.name, self.scorer.files.short
            )
        # What is loaded now stays: the garbage collector need not look at it with every few requests.
        gc.freeze()
        log.info("Ready: %s %s", self.scorer.name, self.scorer.files.short)
        return True

    def answers_its_reference(self) -> bool:
        """Return whether the release still answers its reference inputs as the evaluated pipeline did."""
        return self.scorer is not None and self.scorer.deviation() <= TOLERANCE

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Score the discharges of a request."""
        scorer = self.scorer
        if scorer is None:
            raise InferenceError("The model is not ready; its log says why.")
        try:
            scores = scorer.score(_values(scorer.contract, payload))
        except UserError as fault:
            raise InferenceError(str(fault)) from None
        figure = RISKS.labels(self.name, scorer.version)
        for score in scores:
            figure.observe(score.risk)
        standing = scorer.standing()
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=scorer.version,
            parameters=Parameters(
                release=scorer.files.short,
                method=scorer.method,
                **({} if scorer.return_days is None else {"return_days": scorer.return_days}),
                evaluated=standing.evaluated,
                caution="; ".join(standing.cautions),
            ),
            outputs=[
                ResponseOutput(name="risk", datatype="FP64", shape=[len(scores), 1], data=[s.risk for s in scores]),
                _texts("decision", [score.decision for score in scores]),
                _texts("action", [score.action for score in scores]),
                _texts("reasons", [json.dumps([_fields(reason) for reason in score.reasons]) for score in scores]),
                _texts("warnings", [json.dumps(score.warnings) for score in scores]),
            ],
        )


def opened(place: str) -> Scorer:
    """Return a release that may be served.

    Raises
    ------
    UserError
        When it was changed, is signed by a stranger, is not the deployed one, or its predictions differ here.
    """
    # The platform mounts every release at one path, so the folder's name says nothing here.
    return open_verified(place, os.environ.get(RELEASE, ""))


def _values(contract: Contract, payload: InferenceRequest) -> Floats:
    """Return the features of a request, whether they come as one tensor or as one input each."""
    if len(payload.inputs) == 1 and payload.inputs[0].name == TENSOR and not contract.knows(TENSOR):
        tensor = payload.inputs[0]
        if Datatype(tensor.datatype) is not Datatype.FP64 or not isinstance(tensor.data.root, list):
            raise InferenceError("The tensor's datatype must be FP64, and its data a list.")
        return contract.tensor(tensor.data.root, tensor.shape, getattr(tensor.parameters, ORDER, None))
    return contract.matrix(_columns(payload))


def _fields(reason: Reason) -> dict[str, object]:
    return {name: getattr(reason, name) for name in _REASON}


def _columns(payload: InferenceRequest) -> dict[str, list[float | str | None]]:
    columns = {
        item.name: _flat(item.data.root, text=Datatype(item.datatype) is Datatype.BYTES) for item in payload.inputs
    }
    if len(columns) != len(payload.inputs):
        raise InferenceError("Two inputs have the same name; give each feature once.")
    return columns


def _texts(name: str, values: list[str]) -> ResponseOutput:
    return ResponseOutput(
        name=name, datatype="BYTES", shape=[len(values), 1], parameters=Parameters(content_type=TEXT), data=values
    )


def _flat(data: object, *, text: bool) -> list[float | str | None]:
    """Return an input's numbers or texts, whether they come as a list or as a list of rows of one."""
    if not isinstance(data, list):
        raise InferenceError("An input's data must be a list of numbers, or of texts with the datatype BYTES.")
    flat = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in data]
    if text:
        return [_text(item) for item in flat]
    if not flat or not all(
        item is None or (isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item))
        for item in flat
    ):
        raise InferenceError("An input's data must be numbers or null.")
    return flat


def _text(item: object) -> str | None:
    """Return one text; over gRPC it comes as bytes."""
    if isinstance(item, bytes):
        try:
            return item.decode("utf-8")
        except UnicodeDecodeError:
            raise InferenceError("An input's data of the datatype BYTES must be UTF-8 text.") from None
    if item is not None and not isinstance(item, str):
        raise InferenceError("An input's data of the datatype BYTES must be texts or null.")
    return item
