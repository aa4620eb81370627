"""Lineage of a release, as its file has it: what it was trained on and how, and who approved it."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from model.artifact.files import LINEAGE_FILE
from model.definitions.window import UNRECORDED_DAYS
from model.errors import UserError
from model.metrics.figure_parts import DataCounts
from model.metrics.suspect import Suspect


class _Recorded(BaseModel):
    """A part of the lineage; what it does not name is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RecordedApproval(_Recorded):
    """Approver of a release, as ``ROLE:NAME``, and the reason."""

    by: str = ""
    reason: str | None = None


class RecordedException(_Recorded):
    """Gate that was lowered until a day, by whom and why."""

    gate: str
    until: date
    at_least: float | None = None
    at_most: float | None = None
    reason: str = ""
    approved_by: str = ""


class MadeFrom(_Recorded):
    """Source of the features: ingestions, or a hospital's own table with the roles of its columns.

    Attributes
    ----------
    table
        Roles of the columns; None for a features file.
    read_as
        How the columns of a table were parsed.
    rows_without_outcome_or_patient
        Rows of a table that were left out.
    planned_returns_count
        Whether a planned return counts as a readmission.
    """

    table: Mapping[str, object] | None = None
    read_as: Mapping[str, str] = Field(default_factory=dict)
    rows_without_outcome_or_patient: int = 0
    planned_returns_count: bool = False


class Lineage(_Recorded):
    """Lineage of a release; a field that an earlier package did not record has its default.

    Attributes
    ----------
    model, version : str
        Name of the model, and version of the release.
    release_class : str or None
        Class of the release, which workflows ask for.
    profile : str
        Gate profile.
    gates_version : int
        Version of the gates table.
    evaluated : bool or None
        Whether the test data sufficed for an evaluation; None if it was not recorded.
    not_evaluated : str
        Why its performance is unknown.
    approval, ethics_approval : RecordedApproval or None
        Approval of the release, and of its thresholds.
    exceptions : tuple of RecordedException
        Gates that were lowered.
    suspects : tuple of Suspect
        Features suspected of leaking the outcome.
    made_from : MadeFrom
        Source of the features.
    return_days : int
        Readmission window of the feature definitions.
    counts : DataCounts
        Discharges, patients and readmissions.
    hospitals, definition_digest, data_digest, pipeline_sha256, algorithm, rule, split, left_out, versions
        As in :class:`model.training.run.Run`.
    """

    model: str
    version: str
    made_from: MadeFrom
    release_class: str | None = None
    profile: str = ""
    gates_version: int = 1
    evaluated: bool | None = None
    not_evaluated: str = ""
    approval: RecordedApproval | None = None
    ethics_approval: RecordedApproval | None = None
    exceptions: tuple[RecordedException, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    return_days: int = Field(default=UNRECORDED_DAYS, ge=1, strict=True)
    counts: DataCounts = DataCounts()
    hospitals: tuple[str, ...] = ()
    definition_digest: str = ""
    data_digest: str = ""
    pipeline_sha256: str = ""
    algorithm: str = ""
    rule: str = ""
    split: str = ""
    left_out: Mapping[str, str] = Field(default_factory=dict)
    versions: Mapping[str, str] = Field(default_factory=dict)

    @property
    def own_table(self) -> bool:
        """Whether the features are columns of a hospital's own table."""
        return self.made_from.table is not None

    @property
    def window(self) -> int | None:
        """Readmission window in days; None where the outcome is a column of a hospital's own table."""
        return None if self.own_table else self.return_days

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the lineage of a release.

        Raises
        ------
        UserError
            If it is not the lineage of a release.
        """
        try:
            return cls.model_validate(json.loads(text))
        except ValueError:
            raise UserError(f"{LINEAGE_FILE} of the release cannot be read; release the run again.") from None
