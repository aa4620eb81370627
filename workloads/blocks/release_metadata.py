"""Metadata of releases, read from their files in S3 before any resource is declared."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_aws import s3

from infra.blocks.providers import AwsAccount
from infra.settings import DataClass, Hospital, Release, Settings, SettingsError, names
from workloads.zones import workload_table

_NAMES: dict[str, str] = json.loads(
    (Path(__file__).parents[2] / "model" / "artifact" / "names.json").read_text(encoding="utf-8")
)
FILE_LIST, SIGNATURE, METRICS, LINEAGE = (_NAMES[name] for name in ("list", "signature", "metrics", "lineage"))
MODEL_CARD = _NAMES["card"]
# A row of the model card's table of source attributes: id, attribute, answer.
_CARD_ROW = re.compile(r"^\| (?P<id>\d+\.[ivx]+) \| [^|\n]* \| (?P<answer>.*?) ?\|$", re.MULTILINE)
_NO_ANSWER = ("", "not known")
# Rule that ranks patients while the model server does not respond: the LACE index, which the evaluation compares with.
FALLBACK = "lace"
# The gates profile for use on patients.
CLINICAL = "clinical"
_ERROR_PREFIX = re.compile(r"failed: |returned an error: |desc = ")


@dataclass(frozen=True)
class ReleaseMetadata:
    """Metadata of a release.

    Parameters
    ----------
    url
        S3 URL of the release.
    digest
        Full digest of the release.
    signature
        Signature of its file list, which the model server verifies with the hospital's public keys.
    model_card
        Whether it has a model card.
    source_attributes
        The ids of the source attributes (45 CFR 170.315(b)(11)) that the model card answers.
    training_data
        Digest of the training data.
    profile, passed
        Profile of the gates, and whether all were passed.
    approval
        The clinical approver, as ``ROLE:NAME``; empty without approval.
    ethics_approval
        Who approved its thresholds for the ethics committee, as ``ROLE:NAME``; empty without approval.
    evaluated
        Whether it was evaluated on held-out data.
    """

    url: str
    digest: str
    signature: str
    model_card: bool
    training_data: str
    profile: str
    passed: bool
    approval: str
    evaluated: bool = True
    source_attributes: tuple[str, ...] = ()
    ethics_approval: str = ""

    @property
    def rejection(self) -> str:
        """The reason why it must not score patients; empty for a release that may."""
        if self.profile != CLINICAL:
            return f"has the gates profile {self.profile}, which is not for use on patients"
        if not self.evaluated:
            return "was not evaluated"
        if not self.passed:
            return "did not pass its gates"
        if not self.approval:
            return "has no clinical approval"
        return "" if self.ethics_approval else "has no ethics approval of its thresholds"

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations of the InferenceService, without empty ones."""
        values = {
            "release_digest": self.digest,
            "signature": self.signature,
            "model_card": f"{self.url}/{MODEL_CARD}" if self.model_card else "",
            "source_attributes": " ".join(self.source_attributes),
            "training_data": self.training_data,
            "gates": f"{self.profile}:{'passed' if self.passed else 'failed'}",
            "approval": self.approval,
            "ethics_approval": self.ethics_approval,
            "evaluated": str(self.evaluated).lower(),
            "fallback": FALLBACK,
        }
        return names.notes(**{name: value for name, value in values.items() if value})


def read_releases(settings: Settings, aws: AwsAccount) -> dict[str, dict[Release, ReleaseMetadata]]:
    """Return the metadata of the releases of each hospital that is not leaving.

    All need the same, whatever they do: a shadow scores patients, too, and the next update may promote it.

    Raises
    ------
    SettingsError
        When a release is missing or was modified, or when the stack has patients and the release is not for them.
    """
    options = pulumi.InvokeOptions(provider=aws.primary)
    return {
        hospital.name: {release: _read(settings, hospital, release, options) for release in hospital.releases}
        for hospital in settings.working
    }


def release_key(release: Release) -> str:
    """Return the key of a release below the location of releases."""
    return f"{release.version}/{release.digest}"


def _read(settings: Settings, hospital: Hospital, release: Release, options: pulumi.InvokeOptions) -> ReleaseMetadata:
    bucket = names.bucket(settings.environment, hospital.name, DataClass.MODELS)
    prefix = workload_table.table().locations["releases"].prefix + release_key(release)
    context = f"Stack {settings.environment}: release {release} of hospital {hospital.name}"
    files = _ReleaseFiles(bucket, prefix, context, options)
    file_list = files.text(FILE_LIST)
    digest = hashlib.sha256(file_list.encode()).hexdigest()
    if not digest.startswith(release.digest):
        raise files.modified(FILE_LIST)
    metadata = _metadata(files, file_list, digest)
    if settings.tier.gates_profile == CLINICAL and metadata.rejection:
        raise SettingsError(f"{context} {metadata.rejection}; choose a release of the profile {CLINICAL}.")
    return metadata


def _metadata(files: "_ReleaseFiles", file_list: str, digest: str) -> ReleaseMetadata:
    try:
        hashes = {str(row["path"]): str(row["sha256"]) for row in json.loads(file_list)["files"]}
        signature = json.loads(files.text(SIGNATURE))
        lineage, metrics = (json.loads(files.text(name, hashes[name])) for name in (LINEAGE, METRICS))
        card = files.text(MODEL_CARD, hashes[MODEL_CARD]) if MODEL_CARD in hashes else ""
        return ReleaseMetadata(
            url=f"s3://{files.bucket}/{files.prefix}",
            digest=digest,
            signature=f"{signature['algorithm']}:{signature['signature']}",
            model_card=bool(card),
            source_attributes=answered(card),
            training_data=str(lineage["data_digest"]),
            profile=str(lineage["profile"]),
            passed=metrics["evaluation"]["passed"] is True,
            approval=str((lineage["approval"] or {}).get("by") or ""),
            ethics_approval=str((lineage.get("ethics_approval") or {}).get("by") or ""),
            # Older releases lack the field: they passed gates that need an evaluation, or are not clinical.
            evaluated=lineage.get("evaluated", True) is True,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SettingsError(
            f"{files.context}: its files in bucket {files.bucket} do not have the format of a release; release the "
            "model again."
        ) from None


def answered(card: str) -> tuple[str, ...]:
    """Return the ids of the source attributes that a model card answers."""
    rows = _CARD_ROW.finditer(card)
    return tuple(row["id"] for row in rows if row["answer"].partition(":")[0].strip() not in _NO_ANSWER)


@dataclass(frozen=True)
class _ReleaseFiles:
    """Files of one release in its bucket; ``context`` begins error messages."""

    bucket: str
    prefix: str
    context: str
    options: pulumi.InvokeOptions

    def text(self, name: str, sha256: str | None = None) -> str:
        """Return the text of a file, after checking its hash."""
        try:
            response = s3.get_object(bucket=self.bucket, key=f"{self.prefix}/{name}", opts=self.options)
        # Invokes raise no narrower exception.
        except Exception as error:
            reason = _ERROR_PREFIX.split(" ".join(str(error).split()))[-1]
            raise SettingsError(
                f"{self.context}: {name} cannot be read from bucket {self.bucket} ({reason}); publish the release, or "
                "correct or remove the hospital's release."
            ) from None
        body: str | None = response.body
        if not body:
            raise SettingsError(
                f"{self.context}: {name} in bucket {self.bucket} has the content type {response.content_type}, so it "
                "cannot be read as text; set its content type to application/json, or release the model again."
            )
        if sha256 and hashlib.sha256(body.encode()).hexdigest() != sha256:
            raise self.modified(name)
        return body

    def modified(self, name: str) -> SettingsError:
        """Return the error of a file that was modified after the release."""
        return SettingsError(
            f"{self.context}: {name} in bucket {self.bucket} was modified after the release; restore its original "
            "version, or choose another release."
        )
