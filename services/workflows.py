"""The table of workflows (``workflows.yaml``, which documents the fields): each use of a release or of its scores."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

TABLE = Path(__file__).with_name("workflows.yaml")

Name = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=40)]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class WorkflowError(ValueError):
    """A workflow that the table does not describe, or that is used in another way than it describes."""


class RequestData(StrEnum):
    """Most sensitive class of data that a request of a workflow may contain."""

    RAW = "raw"
    CURATED = "curated"
    NONE = "none"


class Influence(StrEnum):
    """Influence of an answer on care."""

    ADVISES_CLINICIAN = "advises-clinician"
    EXTRACTS_FIELD = "extracts-field"
    SPEAKS_TO_PATIENT = "speaks-to-patient"
    NONE = "none"


class Mode(StrEnum):
    """Mode of a workflow: a request is answered at once, or accepted for a broker."""

    SYNCHRONOUS = "synchronous"
    QUEUED = "queued"


class Purpose(StrEnum):
    """Purpose of use: codes of HL7 v3 PurposeOfUse (code system ``v3-ActReason``)."""

    TREATMENT = "TREAT"
    OPERATIONS = "HOPERAT"
    RESEARCH = "HRESCH"


class Evidence(StrEnum):
    """Evidence that the audit keeps of a request."""

    REQUEST = "request"
    RELEASE = "release"
    FEATURES = "features"
    REASONS = "reasons"
    FALLBACK = "fallback"
    ACTION = "action"


class ReleaseClass(StrEnum):
    """Class of release that may answer the requests of a workflow."""

    TABULAR_RISK = "tabular-risk"
    TEXT_EXTRACTION = "text-extraction"
    CONVERSATION = "conversation"


class Workflow(BaseModel):
    """A row of the table; ``workflows.yaml`` documents the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    consumer: Text
    data: RequestData
    influence: Influence
    mode: Mode
    purpose: Purpose
    evidence: Annotated[frozenset[Evidence], Field(min_length=1)]
    release: ReleaseClass | None
    owner: Name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if Evidence.REQUEST not in self.evidence:
            raise ValueError("evidence needs request: each request is recorded")
        if (self.release is not None) != (Evidence.RELEASE in self.evidence):
            raise ValueError("evidence has release exactly where a class of release may answer; correct one of the two")
        if self.release is None and self.influence is not Influence.NONE:
            raise ValueError("an influence on care needs the class of release that causes it; add release")
        return self


class WorkflowTable(BaseModel):
    """The workflows by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workflows: Annotated[dict[Name, Workflow], Field(min_length=1)]


def read(path: Path) -> WorkflowTable:
    """Read a table of workflows.

    Raises
    ------
    WorkflowError
        If the file does not exist or is not such a table.
    """
    try:
        return WorkflowTable.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError:
        raise WorkflowError(
            f"{path} does not exist; a service without its table of workflows answers nothing."
        ) from None
    except yaml.YAMLError:
        raise WorkflowError(f"{path} is not YAML; correct the file.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        raise WorkflowError(f"{path}: {place}: {first['msg']}; correct the file.") from None


@cache
def table() -> WorkflowTable:
    """Return the project's table of workflows."""
    return read(TABLE)


def described(name: str, workflows: WorkflowTable | None = None) -> Workflow:
    """Return the workflow of a name.

    Raises
    ------
    WorkflowError
        If the table has no such workflow; the message does not repeat the name, which a client can choose.
    """
    row = (workflows or table()).workflows.get(name)
    if row is None:
        raise WorkflowError("The workflow is not described in workflows.yaml; use one of its names.")
    return row


def synchronous(name: str, workflows: WorkflowTable | None = None) -> Workflow:
    """Return the workflow of a name that is answered at once.

    Raises
    ------
    WorkflowError
        If the table has no such workflow, or it is queued.
    """
    row = described(name, workflows)
    if row.mode is not Mode.SYNCHRONOUS:
        raise WorkflowError("The workflow is queued, and no broker serves it yet; use a synchronous one.")
    return row


def verify_uses(uses: Mapping[str, Influence], purpose: str, workflows: WorkflowTable | None = None) -> None:
    """Verify that the table describes what a service makes of its workflows, before it answers anything.

    Parameters
    ----------
    uses : mapping
        The influence on care that the service's answers have, by the name of the workflow.
    purpose : str
        Purpose of use that the service records.
    workflows : WorkflowTable, optional
        The table; that of the project by default.

    Raises
    ------
    WorkflowError
        If a workflow is not described, is queued, or has another influence or purpose.
    """
    rows = (workflows or table()).workflows
    for name, influence in uses.items():
        row = rows.get(name)
        if row is None:
            raise WorkflowError(
                f"workflows.yaml does not describe the workflow {name}, which this service answers; add it."
            )
        declared = (row.mode, row.influence, row.purpose)
        if declared != (Mode.SYNCHRONOUS, influence, purpose):
            raise WorkflowError(
                f"workflows.yaml describes the workflow {name} as {', '.join(declared)}, and this service answers it "
                f"as {Mode.SYNCHRONOUS}, {influence}, {purpose}; correct the row or the service."
            )
