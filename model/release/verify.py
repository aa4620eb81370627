"""The ``verify`` command: checks of a release's files, signature, gates, card and predictions."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date

import numpy as np
from pydantic import ValidationError

from model.artifact import files
from model.artifact.reference import TOLERANCE
from model.artifact.trust import SignedRelease, open_release
from model.compiled.compiler import compiled
from model.definitions.features import definitions, digest
from model.errors import UserError
from model.gates import (
    Evaluation,
    GateException,
    Profile,
    Verdict,
    approval_verdict,
    ethics_verdict,
    refusal,
    table_of_version,
    training_verdicts,
    verdicts,
    warnings_of,
)
from model.release.card_check import judge_card
from model.release.equality import difference
from model.release.metrics import ReleaseMetrics
from model.scoring import Scorer
from model.scoring.lineage import Lineage, RecordedApproval


@dataclass(frozen=True)
class Check:
    """One check of a release, and its result."""

    name: str
    holds: bool
    found: str


@dataclass(frozen=True)
class Verified:
    """Result of :func:`model.verify_release`.

    Attributes
    ----------
    place : str
        Folder or S3 prefix of the release.
    model, version, digest : str
        Name of the model, version, and SHA-256 of the release's list of files.
    signer : str
        Signing key.
    trusted : bool
        Whether the key was compared with trusted keys.
    profile : str
        Gate profile of the release.
    approved_by : str or None
        Approver as ``ROLE:NAME``.
    holds : bool
        Whether every check holds.
    checks : tuple of Check
        Checks with their results.
    evaluated : bool
        Whether the test data sufficed for an evaluation.
    warnings : tuple of str
        Warnings to show with every risk.

    Examples
    --------
    >>> from model import Verified
    >>> done = Verified("releases/v1", "risk", "v1", "6c69d43bdf73", "key", True, "clinical", None, True, (), True, ())
    >>> done.holds and done.evaluated
    True
    """

    place: str
    model: str
    version: str
    digest: str
    signer: str
    trusted: bool
    profile: str
    approved_by: str | None
    holds: bool
    checks: tuple[Check, ...]
    evaluated: bool
    warnings: tuple[str, ...]


def verify(place: str, *, trusted: Collection[str] | None = None, today: date | None = None) -> Verified:
    """Check a release: files, signature, gates, approval, feature contract, bill of materials, card and predictions.

    The gates are evaluated again, from the release's metrics and with the package's own table.

    Parameters
    ----------
    place : str
        Folder or S3 prefix of the release.
    trusted : collection of str, optional
        Ed25519 public keys (base64), one of which must have signed.
    today : date, optional
        Date on which gate exceptions must be in force.

    Returns
    -------
    Verified
        The checks, in order, with their results.

    Raises
    ------
    UserError
        If a file or the signature is not valid; no other check is then made.

    Examples
    --------
    >>> from pathlib import Path
    >>> from model import verify_release
    >>> [release] = Path("releases", "v1").iterdir()
    >>> verify_release(str(release)).holds
    True
    """
    opened = open_release(place, trusted=trusted)
    scorer = Scorer(opened.files)
    day = today or date.today()
    warnings: list[str] = []
    checks = (
        Check("files", True, f"{len(opened.files.contents)} files as listed, none added; the folder is their digest"),
        Check("signature", True, _signed(opened)),
        _checked("gates", lambda: _gates(scorer, day, warnings)),
        _checked("approval", lambda: _judged_approval(scorer, scorer.lineage.approval, approval_verdict)),
        _checked("ethics approval", lambda: _judged_approval(scorer, scorer.lineage.ethics_approval, ethics_verdict)),
        _checked("contract", lambda: _contract(scorer)),
        _checked("bill of materials", lambda: _bill(opened.files, scorer.lineage)),
        _checked("model card", lambda: judge_card(opened.files.text(files.CARD_FILE), _profile(scorer))),
        _checked("reference prediction", lambda: _prediction(scorer)),
        _checked("compiled model", lambda: _compiled(scorer)),
    )
    approval = scorer.lineage.approval
    return Verified(
        place=place,
        model=scorer.name,
        version=scorer.version,
        digest=opened.files.digest,
        signer=opened.signature.signer,
        trusted=opened.trusted,
        profile=scorer.lineage.profile,
        approved_by=(approval.by or None) if approval else None,
        holds=all(check.holds for check in checks),
        checks=checks,
        evaluated=scorer.standing(day).evaluated,
        warnings=tuple(warnings),
    )


def _checked(name: str, judge: Callable[[], str]) -> Check:
    try:
        return Check(name, True, judge())
    except UserError as fault:
        return Check(name, False, str(fault))


def _signed(opened: SignedRelease) -> str:
    whose = "a trusted key" if opened.trusted else "a key that was not held against any list (--hospital, --key-file)"
    return f"Ed25519 by {opened.signature.signer}, {opened.signature.key_version}: {whose}"


def _profile(scorer: Scorer) -> Profile:
    """Return the profile of the package's table that the release was made under, with the release's exceptions."""
    lineage = scorer.lineage
    profile = table_of_version(lineage.gates_version).profile(lineage.profile)
    try:
        exceptions = tuple(GateException.model_validate(row.model_dump()) for row in lineage.exceptions)
    except ValidationError:
        raise UserError("The lineage's exceptions from gates cannot be read; release the run again.") from None
    return profile.model_copy(update={"exceptions": exceptions})


def _gates(scorer: Scorer, today: date, warnings: list[str]) -> str:
    """Judge the release's figures by the package's table; what was refused at its evaluation stays refused."""
    lineage, evaluation = scorer.lineage, ReleaseMetrics.read(scorer.files).evaluation or Evaluation()
    version, name = lineage.gates_version, lineage.profile
    profile, table = _profile(scorer), table_of_version(version)
    judged = verdicts(table.model_copy(update={"profiles": {name: profile}}), name, evaluation, today=today)
    if version > 1:
        judged += training_verdicts(profile, lineage.counts, lineage.suspects)
    names = {verdict.name for verdict in judged}
    refused = refusal([*judged, *(verdict for verdict in evaluation.gates if verdict.name not in names)])
    if refused:
        raise UserError(f"The profile {name} refuses: {refused}.")
    if (lineage.evaluated is not False) != (judged[0].found == "yes") and version > 1:
        raise UserError("The lineage and the figures disagree on whether the model was evaluated; release again.")
    warnings.extend(warnings_of(judged))
    asked = sum(verdict.judged for verdict in judged)
    return f"{asked} of the profile {name}, version {version}, judged again: all pass, {len(warnings)} with a warning"


def _judged_approval(
    scorer: Scorer, recorded: RecordedApproval | None, judge: Callable[[Profile, str | None, str | None], Verdict]
) -> str:
    approval = recorded or RecordedApproval()
    verdict = judge(_profile(scorer), approval.by or None, approval.reason)
    if not verdict.passed:
        raise UserError(f"The {verdict.name} is {verdict.found}, not {verdict.demand}.")
    return verdict.found if verdict.judged else f"{verdict.found}; the profile asks for none"


def _contract(scorer: Scorer) -> str:
    schema = json.loads(scorer.files.text(files.CONTRACT_FILE))
    _consistent(scorer, schema)
    if scorer.contract.table:
        return f"{len(scorer.names)} columns of the hospital's own table, as every file of the release has them"
    absent = set(scorer.names) - set(definitions().names)
    if absent:
        raise UserError(f"This package makes no {', '.join(sorted(absent))}; use the package that made the release.")
    if schema["x-definition-digest"] != digest():
        raise UserError("The release was trained on other feature definitions than this package's; train again.")
    return (
        f"{len(scorer.names)} features of definitions version {schema['x-schema-version']}, as this package makes them"
    )


def _consistent(scorer: Scorer, schema: dict[str, object]) -> None:
    """Refuse a contract that another file of the release does not share."""
    server = json.loads(scorer.files.text(files.SERVER_FILE))
    inputs = {
        files.CONTRACT_FILE: schema["required"],
        files.SERVER_FILE: [one["name"] for one in server["inputs"]],
        files.REFERENCE_FILE: json.loads(scorer.files.text(files.REFERENCE_FILE))["names"],
    }
    for name, columns in inputs.items():
        if columns != list(scorer.names):
            raise UserError(f"{name} has other features than the contract's x-order; release the run again.")
    taken = getattr(scorer.pipeline, "n_features_in_", None)
    if taken != len(scorer.names):
        raise UserError(f"The pipeline takes {taken} features, the contract {len(scorer.names)}; release again.")
    lineage = scorer.lineage
    if schema["x-definition-digest"] != lineage.definition_digest:
        raise UserError("The contract and the lineage are of different feature definitions; release the run again.")
    if bool(scorer.contract.table) != lineage.own_table:
        raise UserError("The contract and the lineage disagree on where the features are from; release the run again.")


def _bill(found: files.ReleaseFiles, lineage: Lineage) -> str:
    bill = json.loads(found.text(files.SBOM_FILE))
    if bill.get("bomFormat") != "CycloneDX" or not bill.get("components"):
        raise UserError(f"{files.SBOM_FILE} is not a CycloneDX bill of materials with components.")
    if bill["metadata"]["component"]["hashes"][0]["content"] != lineage.pipeline_sha256:
        raise UserError(f"{files.SBOM_FILE} is of another pipeline.")
    return f"CycloneDX {bill['specVersion']}, {len(bill['components'])} components"


def _prediction(scorer: Scorer) -> str:
    away = scorer.deviation()
    if not away <= TOLERANCE:
        raise UserError(f"Its predictions differ from the evaluated pipeline's by up to {away:.1e}.")
    return f"as evaluated, within {TOLERANCE:g} (largest difference {away:.1e})"


def _compiled(scorer: Scorer) -> str:
    """Compile the pipeline again: whoever changes the compiled model and signs it needs a pipeline that gives it."""
    if not scorer.compiled:
        return "none: the release is from before compiled models, and scores with its pipeline"
    stored = scorer.document
    if compiled(scorer.pipeline, scorer.names, stored.pipeline_sha256) != stored:
        raise UserError("The compiled model is not what the release's pipeline gives; release the run again.")
    inputs = np.array(json.loads(scorer.files.text(files.REFERENCE_FILE))["inputs"], dtype=np.float64)
    away = difference(stored, scorer.pipeline, scorer.contract, inputs)
    if not away.equal:
        raise UserError(f"The compiled model's contributions differ from the pipeline's by {away.contribution:.1e}.")
    return f"{stored.kind}, compiled again from the pipeline; contributions within {TOLERANCE:g}"
