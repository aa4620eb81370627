"""The release that the stack assigned to the hospital: what it is called, when its scores decide, and who approved it.

Its files are verified (hashes, signature, digest) before anything of them is used; the model itself runs on the model
server. While they cannot be read, patients are ranked by LACE, and reading is tried again.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from model.artifact import files
from model.artifact.trust import open_release
from model.definitions.features import definitions
from model.errors import UserError
from model.scoring.contract import Contract
from model.scoring.lineage import Lineage, RecordedApproval
from model.scoring.policy import DecisionPolicy
from services.workflows import ReleaseClass

ANSWERS = ReleaseClass.TABULAR_RISK
"""Class of the releases whose scores this service returns."""
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)

log = logging.getLogger("services.planning")


@dataclass(frozen=True)
class Band:
    """A band of risk: its name, the least risk in it, and what is suggested."""

    name: str
    start: float
    action: str


@dataclass(frozen=True)
class Approval:
    """An approval of the release and of its thresholds."""

    kind: Literal["clinical", "ethics"]
    role: str
    name: str


@dataclass(frozen=True)
class AssignedRelease:
    """A verified release.

    Attributes
    ----------
    model, version, digest
        The model's name on its server, the version, and the whole digest.
    preprocessing
        SHA-256 of the pipeline, which is preprocessing and model in one.
    schema_version
        Version of the feature definitions.
    return_days
        Readmission window that it was trained for, in days.
    contract
        The features that it takes.
    bands
        Bands of risk, the highest first.
    approvals
        Who approved it; empty for a release that is not for use on patients.
    """

    model: str
    version: str
    digest: str
    preprocessing: str
    schema_version: int
    return_days: int
    contract: Contract
    bands: tuple[Band, ...]
    approvals: tuple[Approval, ...]

    @property
    def short(self) -> str:
        """The part of the digest that its folder and the model server name."""
        return self.digest[: files.DIGEST_CHARACTERS]

    def band(self, risk: float) -> Band:
        """Return the band of a risk."""
        return next(band for band in self.bands if risk >= band.start)


def read(place: str, assigned: str, trusted: Collection[str] | None) -> AssignedRelease:
    """Return a release, after verifying its files.

    Parameters
    ----------
    place : str
        Its folder or S3 prefix.
    assigned : str
        The version and digest that the stack assigned, as ``v1@0123456789ab``.
    trusted : collection of str, optional
        Public keys of which one must have signed it; None: any.

    Raises
    ------
    UserError
        If it is not the assigned one, was modified, has another class than the workflows of this service require, or
        does not take the features of this program.
    """
    version, _, digest = assigned.partition("@")
    found = open_release(place, trusted=trusted, named=digest).files
    try:
        lineage = Lineage.model_validate_json(found.text(files.LINEAGE_FILE))
        schema = json.loads(found.text(files.CONTRACT_FILE))
        release = _release(found, lineage, schema)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"The files at {place} do not have the format of a release; release the model again.") from None
    if release.version != version:
        raise UserError(f"The release at {place} is {release.version}, not the assigned {version}.")
    # A release that names no class is from before it was recorded; all of those predict a risk.
    release_class = ANSWERS if lineage.release_class is None else lineage.release_class
    if release_class != ANSWERS:
        raise UserError(
            f"The release {assigned} has the class {release_class}, and workflows that this service answers require "
            f"{ANSWERS}; assign another release."
        )
    if release.contract.table is not None or release.schema_version != definitions().version:
        raise UserError(
            f"The release {assigned} takes other features than version {definitions().version} of features.yaml, which "
            "this service computes with; train and release the model again."
        )
    return release


class ReleaseSource:
    """The assigned release, which is read once and does not change.

    Parameters
    ----------
    read : callable
        Reads it; a UserError says why it cannot.
    """

    def __init__(self, read: Callable[[], AssignedRelease]) -> None:
        self._read = read
        self._release: AssignedRelease | None = None

    def get(self) -> AssignedRelease | None:
        """Return the release, or None while it could not be read."""
        return self._release

    def refresh(self) -> None:
        """Read the release if it was not read yet; a failure is logged."""
        if self._release is None:
            try:
                self._release = self._read()
            except UserError as fault:
                log.warning("Assigned release: %s", fault)


def _release(found: files.ReleaseFiles, lineage: Lineage, schema: Mapping[str, Any]) -> AssignedRelease:
    policy = DecisionPolicy.model_validate_json(found.text(files.POLICY_FILE))
    return AssignedRelease(
        model=lineage.model,
        version=lineage.version,
        digest=found.digest,
        preprocessing=hashlib.sha256(found.contents[files.PIPELINE_FILE]).hexdigest(),
        schema_version=int(schema.get("x-schema-version", 0)),
        return_days=lineage.return_days,
        contract=Contract(schema),
        bands=tuple(Band(_code(band.name), band.start, band.action) for band in policy.bands),
        approvals=tuple(_approvals(lineage)),
    )


def _code(name: str) -> str:
    """Return the name of a band, which audit records hold as a code."""
    if not _CODE.fullmatch(name):
        raise ValueError("the name of a band is not a code")
    return name


def _approvals(lineage: Lineage) -> list[Approval]:
    approvals = []
    kinds: tuple[tuple[Literal["clinical", "ethics"], RecordedApproval | None], ...] = (
        ("clinical", lineage.approval),
        ("ethics", lineage.ethics_approval),
    )
    for kind, recorded in kinds:
        if recorded and recorded.by:
            role, _, name = recorded.by.partition(":")
            approvals.append(Approval(kind, role.strip(), name.strip()))
    return approvals
