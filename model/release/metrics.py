"""Metrics file of a release: the headline figures, and the evaluation with the verdicts of the gates."""

import json
from typing import Self

from model.artifact import files
from model.errors import UserError
from model.gates import Evaluation
from model.metrics.figure_parts import Figure, Number, Section


class ReleaseMetrics(Figure):
    """Metrics of a release.

    Attributes
    ----------
    roc_auc, lace_roc_auc, pr_auc, brier, calibration_slope : float or None
        Headline figures; None for one that is unknown.
    evaluation : Evaluation or None
        All figures with the verdicts of the gates.
    """

    roc_auc: Number = None
    lace_roc_auc: Number = None
    pr_auc: Number = None
    brier: Number = None
    calibration_slope: Number = None
    evaluation: Section[Evaluation] = None

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self:
        """Return the metrics of a release with this evaluation."""
        return cls(
            roc_auc=evaluation.roc_auc.value if evaluation.roc_auc else None,
            lace_roc_auc=evaluation.lace_roc_auc.value if evaluation.lace_roc_auc else None,
            pr_auc=evaluation.pr_auc.value if evaluation.pr_auc else None,
            brier=evaluation.brier.value if evaluation.brier else None,
            calibration_slope=evaluation.calibration.slope if evaluation.calibration else None,
            evaluation=evaluation,
        )

    @classmethod
    def read(cls, release: files.ReleaseFiles) -> Self:
        """Return the metrics of a release as its file has them.

        Raises
        ------
        UserError
            If the file, or a verdict in it, cannot be read.
        """
        try:
            return cls.model_validate(json.loads(release.text(files.METRICS_FILE)))
        except ValueError:
            raise UserError(f"{files.METRICS_FILE} of the release cannot be read; release the run again.") from None
