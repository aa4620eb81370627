"""The runtime by which MLServer answers the Open Inference Protocol v2 with a release.

The release is checked file by file before it is loaded. A request names each feature of the contract as one input;
the answer is the risk, the decision and the three main reasons (JSON) for each discharge.
"""

import json
from dataclasses import asdict
from pathlib import Path

from mlserver import MLModel
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, Parameters, ResponseOutput
from mlserver.utils import get_model_uri

from model.errors import UserError
from model.release import files
from model.scoring import Scorer

TEXT = "str"


class ReadmissionModel(MLModel):
    """A release, loaded once, predicted with as it was evaluated."""

    async def load(self) -> bool:
        """Check the release's hashes and load it; a changed one is not served."""
        place = Path(await get_model_uri(self.settings, [files.LIST_FILE]))
        self.scorer = Scorer.open(str(place.parent if place.is_file() else place))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Score the discharges of a request."""
        try:
            values = self.scorer.matrix({item.name: _flat(item.data.root) for item in payload.inputs})
        except UserError as fault:
            raise InferenceError(str(fault)) from None
        scores = self.scorer.score(values)
        reasons = [json.dumps([asdict(reason) for reason in score.reasons]) for score in scores]
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.scorer.version,
            parameters=Parameters(release=self.scorer.files.short),
            outputs=[
                ResponseOutput(name="risk", datatype="FP64", shape=[len(scores), 1], data=[s.risk for s in scores]),
                _texts("decision", [score.decision for score in scores]),
                _texts("action", [score.action for score in scores]),
                _texts("reasons", reasons),
            ],
        )


def _texts(name: str, values: list[str]) -> ResponseOutput:
    return ResponseOutput(
        name=name, datatype="BYTES", shape=[len(values), 1], parameters=Parameters(content_type=TEXT), data=values
    )


def _flat(data: object) -> list[float | None]:
    """Return an input's numbers, whether they come as a list or as a list of rows of one."""
    if not isinstance(data, list):
        raise InferenceError("An input's data must be a list of numbers.")
    flat = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in data]
    if not flat or not all(
        item is None or (isinstance(item, int | float) and not isinstance(item, bool)) for item in flat
    ):
        raise InferenceError("An input's data must be numbers or null.")
    return flat
