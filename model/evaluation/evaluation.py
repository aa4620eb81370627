"""An evaluation as its file has it: all metrics of a run, and the verdicts of the gates."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import field_serializer

from model.gates import Verdict, warnings_of
from model.metrics.figure_parts import Text, Texts, YesOrNo
from model.metrics.figures import Figures


class Evaluation(Figures):
    """An evaluation of a run on its test patients."""

    pipeline_sha256: Text = ""
    profile: Text = ""
    not_evaluated: Text = ""
    gates: tuple[Verdict, ...] = ()
    passed: YesOrNo = None
    warnings: Texts = ()

    @field_serializer("gates")
    def _whole(self, gates: tuple[Verdict, ...]) -> list[dict[str, Any]]:
        return [verdict.model_dump() for verdict in gates]

    def judged(self, verdicts: Sequence[Verdict]) -> Self:
        """Return the evaluation with the verdicts of the gates."""
        passed = all(verdict.passed for verdict in verdicts)
        return self.model_copy(
            update={"gates": tuple(verdicts), "passed": passed, "warnings": tuple(warnings_of(verdicts))}
        )
