"""What a release says of itself, read from its own files before anything is made."""

import hashlib
import json
import re
from dataclasses import dataclass

import pulumi
from pulumi_aws import s3

from infra.blocks.providers import Account
from infra.settings import names
from infra.settings.errors import SettingsError
from infra.settings.values import DataClass, Hospital, Settings

RELEASES = "readmission/"
LIST, SIGNATURE, METRICS, LINEAGE = "files.json", "signature.json", "metrics.json", "lineage.json"
CARD = "MODEL_CARD.md"
# Who ranks patients while the model does not answer: the published index that it was compared with.
FALLBACK = "lace"
# The profile of the gates for use on patients.
CLINICAL = "clinical"
_BEFORE_REASON = re.compile(r"failed: |returned an error: |desc = ")


@dataclass(frozen=True)
class Papers:
    """What a release's own files say.

    Parameters
    ----------
    place
        Where they are.
    digest
        The release's whole digest.
    signature
        The signature of its file list; the model server holds it against the hospital's key.
    card
        Whether there is a model card.
    training_data
        Digest of the rows that it was trained on.
    profile, passed
        The gates, and whether every one was passed.
    approval
        Who approved it, as ``ROLE:NAME``; empty where nobody did.
    evaluated
        Whether its test data told how good it is.
    """

    place: str
    digest: str
    signature: str
    card: bool
    training_data: str
    profile: str
    passed: bool
    approval: str
    evaluated: bool = True

    @property
    def unfit(self) -> str:
        """Why it must not serve patients; empty where nothing speaks against it."""
        if self.profile != CLINICAL:
            return f"is of the gates' profile {self.profile}, which is not for patients"
        if not self.evaluated:
            return "was not evaluated: nothing is known of how good it is"
        if not self.passed:
            return "did not pass its gates"
        return "" if self.approval else "was approved by nobody"

    @property
    def notes(self) -> dict[str, str]:
        """The annotations of what serves it; what it lacks is left out."""
        known = {
            "release_digest": self.digest,
            "signature": self.signature,
            "model_card": f"{self.place}/{CARD}" if self.card else "",
            "training_data": self.training_data,
            "gates": f"{self.profile}:{'passed' if self.passed else 'failed'}",
            "approval": self.approval,
            "evaluated": str(self.evaluated).lower(),
            "fallback": FALLBACK,
        }
        return names.notes(**{name: value for name, value in known.items() if value})


def read_releases(settings: Settings, account: Account) -> dict[str, Papers]:
    """Return the papers of each working hospital that names a release.

    Raises
    ------
    SettingsError
        When a release is not there, was changed, or must not serve patients and the stack is for them: nothing is
        created then.
    """
    return {entry.name: _read(settings, entry, account) for entry in settings.working if entry.release}


def _read(settings: Settings, hospital: Hospital, account: Account) -> Papers:
    release, bucket = hospital.release, names.bucket(settings.environment, hospital.name, DataClass.MODELS)
    if release is None:
        raise ValueError(f"hospital {hospital.name} names no release")
    folder = f"{RELEASES}{release.version}/{release.digest}"
    about = f"Stack {settings.environment}: hospital {hospital.name} names release {release}"
    files = _Files(bucket, folder, about, pulumi.InvokeOptions(provider=account.here))
    listed = files.text(LIST)
    digest = hashlib.sha256(listed.encode()).hexdigest()
    if not digest.startswith(release.digest):
        raise files.changed(LIST)
    papers = _papers(files, listed, digest)
    if settings.tier.gates_profile == CLINICAL and papers.unfit:
        raise SettingsError(f"{about}, which {papers.unfit}; name a release of the profile {CLINICAL}.")
    return papers


def _papers(files: "_Files", listed: str, digest: str) -> Papers:
    try:
        hashes = {str(row["path"]): str(row["sha256"]) for row in json.loads(listed)["files"]}
        signature = json.loads(files.text(SIGNATURE))
        lineage, metrics = (json.loads(files.text(name, hashes[name])) for name in (LINEAGE, METRICS))
        return Papers(
            place=f"s3://{files.bucket}/{files.folder}",
            digest=digest,
            signature=f"{signature['algorithm']}:{signature['signature']}",
            card=CARD in hashes,
            training_data=str(lineage["data_digest"]),
            profile=str(lineage["profile"]),
            passed=metrics["evaluation"]["passed"] is True,
            approval=str((lineage["approval"] or {}).get("by") or ""),
            # Releases from before evaluations said so have passed gates that need the figures, or are not clinical.
            evaluated=lineage.get("evaluated", True) is True,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SettingsError(
            f"{files.about}, but its files in bucket {files.bucket} are of another form than releases have; "
            "release it again."
        ) from None


@dataclass(frozen=True)
class _Files:
    """The files of one release in its bucket."""

    bucket: str
    folder: str
    about: str
    options: pulumi.InvokeOptions

    def text(self, name: str, sha256: str | None = None) -> str:
        """Return a file's text, which must have the hash."""
        try:
            found = s3.get_object(bucket=self.bucket, key=f"{self.folder}/{name}", opts=self.options)
        # The engine has no narrower kind for what a provider answers.
        except Exception as error:
            reason = _BEFORE_REASON.split(" ".join(str(error).split()))[-1]
            raise SettingsError(
                f"{self.about}, but {name} of it cannot be read in bucket {self.bucket}; publish the release first, or "
                f"correct or remove the hospital's release ({reason})."
            ) from None
        body: str | None = found.body
        if not body:
            raise SettingsError(
                f"{self.about}, but {name} of it in bucket {self.bucket} says that it is {found.content_type} and no "
                "text; copy it onto itself with content type application/json, or release again."
            )
        if sha256 and hashlib.sha256(body.encode()).hexdigest() != sha256:
            raise self.changed(name)
        return body

    def changed(self, name: str) -> SettingsError:
        """Return the fault of a file that is not what was released."""
        return SettingsError(
            f"{self.about}, but {name} of it in bucket {self.bucket} is not what was released; restore the version "
            "that was, or name another release."
        )
