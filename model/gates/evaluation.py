"""An evaluation as its file has it: all metrics of a run, and the verdicts of the gates."""

from collections.abc import Sequence
from typing import Self

from pydantic import field_serializer

from model.gates.verdict import Verdict, warnings_of
from model.metrics.figure_parts import Text, Texts, YesOrNo
from model.metrics.figures import Figures


class Evaluation(Figures):
    """An evaluation of a run on its test patients.

    Attributes
    ----------
    pipeline_sha256, profile : str
        SHA-256 of the pipeline, and gate profile of the run.
    not_evaluated : str
        Why the performance of the model is unknown; empty where the test data sufficed.
    gates : tuple of Verdict
        Verdicts of the gates.
    passed : bool or None
        Whether every gate was passed; None before the gates were judged.
    warnings : tuple of str
        Warnings of gates that passed.

    Examples
    --------
    >>> from model.gates import Evaluation, Verdict
    >>> judged = Evaluation(profile="clinical").judged([Verdict(name="roc_auc", passed=False, demand="at least 0.65")])
    >>> judged.passed, judged.gates[0].name
    (False, 'roc_auc')
    """

    pipeline_sha256: Text = ""
    profile: Text = ""
    not_evaluated: Text = ""
    gates: tuple[Verdict, ...] = ()
    passed: YesOrNo = None
    warnings: Texts = ()

    @field_serializer("gates")
    def _whole(self, gates: tuple[Verdict, ...]) -> list[dict[str, object]]:
        return [verdict.model_dump() for verdict in gates]

    def judged(self, verdicts: Sequence[Verdict]) -> Self:
        """Return the evaluation with the verdicts of the gates."""
        passed = all(verdict.passed for verdict in verdicts)
        return self.model_copy(
            update={"gates": tuple(verdicts), "passed": passed, "warnings": tuple(warnings_of(verdicts))}
        )
