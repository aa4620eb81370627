"""The ``release`` command: a run that passed its gates becomes an immutable, signed folder."""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from model.artifact import files
from model.artifact.trust import check, open_release, read_signature
from model.errors import GateError, UserError
from model.evaluation.run import read_evaluation
from model.gates import (
    Evaluation,
    Verdict,
    approval_verdict,
    card_verdict,
    ethics_verdict,
    not_evaluated,
    refuse,
    signed_by,
    table_of_run,
    training_verdicts,
    verdicts,
    warnings_of,
)
from model.io import storage
from model.metrics.figure_parts import DataCounts
from model.release.contents import MODEL, contents_of, json_bytes
from model.release.signing import Signer
from model.release.workflows import RELEASE_CLASS, workflow_verdict
from model.scoring.lineage import Lineage
from model.training.run import read_run

_VERSION = re.compile(r"v[0-9]+(\.[0-9]+)*", re.ASCII)
# What a release says of an evaluation; a figure that is unknown is there and null.
_SAID = frozenset(
    {"counts", "roc_auc", "lace_roc_auc", "pr_auc", "brier", "calibration", "at_high", "subgroups", "gates"}
)


@dataclass(frozen=True)
class Released:
    """Result of :func:`model.publish_release`.

    Attributes
    ----------
    place : str
        Folder or S3 prefix of the release.
    model, version : str
        Name of the model, and version such as ``v1``.
    digest : str
        SHA-256 of the release's list of files.
    release : str
        Version and first digits of the digest, as a hospital's entry names it.
    changed : bool
        False if the same release was published before.
    profile : str
        Gate profile that it passed.
    signer : str
        Signing key, with its version.
    approved_by : str or None
        Approver as ``ROLE:NAME``.
    roc_auc : float or None
        ROC-AUC on the test patients; None without an evaluation.
    not_evaluated : str
        Reason why its performance is unknown; empty for an evaluated model.
    warnings : tuple of str
        Warnings of gates that passed.

    Examples
    --------
    >>> from model import Released
    >>> digest = "6c69d43bdf73" + 52 * "0"
    >>> done = Released("releases/v1", "risk", "v1", digest, "v1@6c69d43bdf73", True, "development", "key:1", None, 0.7)
    >>> done.release
    'v1@6c69d43bdf73'
    """

    place: str
    model: str
    version: str
    digest: str
    release: str
    changed: bool
    profile: str
    signer: str
    approved_by: str | None
    roc_auc: float | None
    not_evaluated: str = ""
    warnings: tuple[str, ...] = ()


def release(
    folder: Path,
    *,
    version: str,
    to: str,
    signer: Signer,
    approved_by: str | None = None,
    reason: str | None = None,
    ethics_approved_by: str | None = None,
    ethics_reason: str | None = None,
    answers: Mapping[str, str] | None = None,
    today: date | None = None,
) -> Released:
    """Publish a run that passed its gates as an immutable folder ``to/version/digest12``.

    A version is a name, the digest is the identity: candidates of one version lie side by side, until one of them is
    approved. From then on the version is taken, and another content needs another version.

    Parameters
    ----------
    folder : Path
        The run's folder, evaluated.
    version : str
        Version, such as v1 or v1.2.
    to : str
        Folder or S3 prefix of all releases.
    signer : Signer
        Signing key: :func:`model.release.signing.signer`.
    approved_by, reason : str, optional
        Approver, as ``ROLE:NAME``, and the reason.
    ethics_approved_by, ethics_reason : str, optional
        Who approved the thresholds for the ethics committee, as ``ROLE:NAME``, and its opinion or reference.
    answers : mapping, optional
        The hospital's answers to the model card's questions, by key.
    today : date, optional
        Date on which gate exceptions must be in force.

    Returns
    -------
    Released
        Storage, version, digest and signer; ``changed`` is false if the release was published before.

    Raises
    ------
    GateError
        If the evaluation, the card or the approval does not meet the profile, no workflow asks for such releases, or
        the version is taken.
    UserError
        If an option is invalid, or the run has no evaluation.

    Examples
    --------
    >>> from pathlib import Path
    >>> from model import publish_release
    >>> from model.release.signing import signer
    >>> done = publish_release(Path("run"), version="v1", to="releases", signer=signer("north", Path("release.key")))
    >>> done.model, done.changed
    ('readmission-risk-v1', True)
    """
    if not _VERSION.fullmatch(version):
        raise UserError("--version must be like v1 or v1.2.")
    if (approved_by is None) != (reason is None):
        raise UserError("An approval needs both --approve ROLE:NAME and --reason TEXT.")
    ethics = _ethics(ethics_approved_by, ethics_reason)
    run, evaluation = read_run(folder), _evaluation(folder)
    if evaluation.pipeline_sha256 != run.pipeline_sha256:
        raise UserError(f"The evaluation in {folder} is of another pipeline; run python -m model evaluate again.")
    table = table_of_run(run.gates)
    profile = table.profile(run.profile)
    # What the evaluation says of its gates is not believed: each is judged again from the figures.
    judged = verdicts(table, run.profile, evaluation, today=today)
    trained_on = training_verdicts(profile, DataCounts.model_validate(run.counts), run.suspects)
    approval = approval_verdict(profile, approved_by, reason)
    ethics_approval = ethics_verdict(profile, ethics_approved_by, ethics_reason)
    refuse(run.profile, [*judged, *trained_on, approval, ethics_approval, workflow_verdict(RELEASE_CLASS)])
    refuse(run.profile, _refused(evaluation, {verdict.name for verdict in judged}))
    about = {"profile": run.profile, "not_evaluated": not_evaluated(evaluation, table.evaluated)}
    evaluation = evaluation.model_copy(update=about).judged(judged)
    approved: dict[str, object] = {"approval": {"by": approved_by, "reason": reason} if approved_by else None}
    contents, written = contents_of(folder, run, evaluation, version, approved | ethics, answers or {})
    refuse(run.profile, [card_verdict(profile, written.unanswered)])
    file_list = files.listed(contents)
    digest = files.digest_of(file_list)
    short = digest[: files.DIGEST_CHARACTERS]
    done = Released(
        place=storage.join(to, version, short),
        model=f"{MODEL}-{version}",
        version=version,
        digest=digest,
        release=f"{version}@{short}",
        changed=False,
        profile=run.profile,
        signer="",
        approved_by=approved_by,
        roc_auc=evaluation.roc_auc.value if evaluation.roc_auc else None,
        not_evaluated=evaluation.not_evaluated,
        warnings=warnings_of([*judged, *trained_on]),
    )
    if read_signature(done.place) is not None:
        opened = open_release(done.place, trusted=signer.public_keys().values())
        return replace(done, signer=opened.signature.signer)
    # A profile that asks for no approval is for no patient: its releases of one version may be replaced.
    if approved_by and profile.approval:
        _refuse_taken(storage.join(to, version), version, short)
    return replace(done, changed=True, signer=_publish(done.place, contents, file_list, signer))


def _ethics(by: str | None, reason: str | None) -> dict[str, object]:
    """Return the ethics approval as the lineage has it; a release without one has no such field."""
    if by is None and not reason:
        return {}
    if by is None or not (reason or "").strip():
        raise UserError("An ethics approval needs both --ethics-approve ROLE:NAME and --ethics-reason TEXT.")
    signed_by(by, "--ethics-approve")
    return {"ethics_approval": {"by": by, "reason": reason}}


def _evaluation(folder: Path) -> Evaluation:
    """Return a run's evaluation, which must have all that a release says of it."""
    evaluation = read_evaluation(folder)
    lacking = sorted(_SAID - evaluation.model_fields_set)
    if lacking:
        raise UserError(f"The evaluation in {folder} lacks {', '.join(lacking)}; run python -m model evaluate again.")
    return evaluation


def _refused(evaluation: Evaluation, judged: Collection[str]) -> list[Verdict]:
    """Return what the evaluation itself refused under a name that is not judged again."""
    return [verdict for verdict in evaluation.gates if not verdict.passed and verdict.name not in judged]


def _publish(place: str, contents: Mapping[str, bytes], file_list: bytes, signer: Signer) -> str:
    """Write the files, check them where they lie, and sign last: what has no signature is no release.

    Each file is written once. A run that was cut short is finished by the next one; two at once write the same bytes
    under the same names.
    """
    signature = signer.sign(file_list)
    check(signature, file_list, signer.public_keys().values())
    for name, content in contents.items():
        storage.create(storage.join(place, name), content)
    storage.create(storage.join(place, files.LIST_FILE), file_list)
    files.read(place)
    storage.create(storage.join(place, files.SIGNATURE_FILE), json_bytes(asdict(signature)))
    return signature.signer


def _refuse_taken(folder: str, version: str, digest: str) -> None:
    """Refuse a version whose approved release has another content."""
    for other in storage.folders(folder):
        place = storage.join(folder, other)
        if other == digest or read_signature(place) is None:
            continue
        if Lineage.parse(storage.read(storage.join(place, files.LINEAGE_FILE)).decode()).approval:
            raise GateError(
                f"{version} is taken: {version}@{other} was approved and is another content; choose another --version."
            )
