"""Anchors: signed statements of the chain's head, in a bucket whose objects cannot be deleted.

An anchor holds the sequence and hash of the last record at a time. The hash covers every record before it, so one
anchor fixes the whole chain up to its record.
"""

import base64
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import rfc8785
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from model.artifact.trust import Signature
from model.io import s3
from services.audit.errors import AuditError
from services.audit.records import timestamp

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TYPE = "healthcare-mlops/audit-anchor/1"
"""Part of what is signed, so that no signature of the key can be taken for another thing's."""
PREFIX = "chain/"
RETENTION_DAYS = 6 * 365
"""Shortest object lock that is accepted: records are kept six years (45 CFR 164.316(b)(2))."""
LAST_SEQUENCE = 10**18


class Signer(Protocol):
    """Signer of anchors."""

    def sign(self, message: bytes) -> Signature:
        """Return the Ed25519 signature of a message."""
        ...


@dataclass(frozen=True)
class Anchor:
    """The head of a hospital's chain at a time.

    Parameters
    ----------
    hospital, sequence, hash
        The last record.
    anchored_at
        When it was signed.
    """

    hospital: str
    sequence: int
    hash: bytes
    anchored_at: datetime

    def message(self) -> bytes:
        """Return what is signed."""
        return rfc8785.dumps(self._plain())

    def signed(self, signer: Signer) -> bytes:
        """Return the anchor with its signature, as it is stored."""
        made = signer.sign(self.message())
        return rfc8785.dumps(self._plain() | {"public_key": made.public_key, "signature": made.signature})

    def key(self) -> str:
        """Return the name of its object; later heads sort first."""
        at = self.anchored_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        return f"{PREFIX}{LAST_SEQUENCE - self.sequence:019d}-{self.sequence}-{at}.json"

    def _plain(self) -> dict[str, Any]:
        return {
            "anchored_at": timestamp(self.anchored_at),
            "hash": self.hash.hex(),
            "hospital": self.hospital,
            "sequence": self.sequence,
            "type": TYPE,
        }


def read(content: bytes, hospital: str, trusted: Collection[str]) -> Anchor:
    """Return an anchor of a hospital after its signature was verified.

    Parameters
    ----------
    content : bytes
        The stored object.
    hospital : str
        The hospital that it must be of.
    trusted : collection of str
        Public keys, base64, of which one must have signed.

    Raises
    ------
    AuditError
        If it is not an anchor, is of another hospital, or is not signed by a trusted key.
    """
    try:
        plain = json.loads(content)
        public_key, signature = plain.pop("public_key"), base64.b64decode(plain.pop("signature"), validate=True)
        anchored_at = datetime.fromisoformat(plain["anchored_at"])
        anchor = Anchor(plain["hospital"], plain["sequence"], bytes.fromhex(plain["hash"]), anchored_at)
        signed = anchor._plain() | {"public_key": public_key, "signature": base64.b64encode(signature).decode()}
        if type(plain["sequence"]) is not int or content != rfc8785.dumps(signed):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise AuditError("is not an anchor") from None
    if anchor.hospital != hospital:
        raise AuditError("is of another hospital")
    if public_key not in trusted:
        raise AuditError("is not signed by a trusted key")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(signature, anchor.message())
    except (InvalidSignature, ValueError):
        raise AuditError("has a signature that does not match") from None
    return anchor


@dataclass(frozen=True)
class StoredAnchor:
    """An object of the bucket: its name and version, and its content, unverified."""

    name: str
    content: bytes


class AnchorBucket:
    """The hospital's audit bucket.

    Parameters
    ----------
    place
        ``s3://bucket`` or ``s3://bucket/prefix``.
    """

    def __init__(self, place: str) -> None:
        bucket, _, prefix = place.removeprefix(s3.SCHEME).partition("/")
        if not place.startswith(s3.SCHEME) or not bucket:
            raise AuditError(f"{place} is not a bucket; write s3://bucket.")
        self._bucket = bucket
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""

    def require_lock(self) -> None:
        """Refuse a bucket whose objects somebody can delete before six years."""
        try:
            found = self._client().get_object_lock_configuration(Bucket=self._bucket)["ObjectLockConfiguration"]
            retention = found.get("Rule", {}).get("DefaultRetention", {})
        except ClientError as fault:
            if _code(fault) != "ObjectLockConfigurationNotFoundError":
                raise self._explained(fault) from None
            retention = {}
        except BotoCoreError as fault:
            raise self._explained(fault) from None
        days = retention.get("Days", 0) + 365 * retention.get("Years", 0)
        if retention.get("Mode") != "COMPLIANCE" or days < RETENTION_DAYS:
            raise AuditError(
                f"Bucket {self._bucket} has no object lock of {RETENTION_DAYS} days in COMPLIANCE mode, so anchors "
                "could be deleted; lock it, or give --unlocked in a development environment."
            )

    def put(self, anchor: Anchor, signer: Signer) -> None:
        """Write an anchor; it is never overwritten."""
        content, key = anchor.signed(signer), self._prefix + anchor.key()
        try:
            self._client().put_object(
                Bucket=self._bucket, Key=key, Body=content, ContentType="application/json", IfNoneMatch="*"
            )
        except (ClientError, BotoCoreError) as fault:
            raise self._explained(fault) from None

    def latest(self) -> StoredAnchor | None:
        """Return the anchor of the last record, or None if there is none."""
        prefix = self._prefix + PREFIX
        try:
            listed = self._client().list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=1)
            for item in listed.get("Contents", []):
                return self._get(item["Key"])
        except (ClientError, BotoCoreError) as fault:
            raise self._explained(fault) from None
        return None

    def all(self) -> Iterator[StoredAnchor]:
        """Yield every version of every anchor, those behind a delete marker or a newer version included."""
        pages = self._client().get_paginator("list_object_versions")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + PREFIX):
                for item in page.get("Versions", []):
                    yield self._get(item["Key"], item["VersionId"])
        except (ClientError, BotoCoreError) as fault:
            raise self._explained(fault) from None

    def _get(self, key: str, version: str | None = None) -> StoredAnchor:
        if version is None or version == "null":
            found = self._client().get_object(Bucket=self._bucket, Key=key)
        else:
            found = self._client().get_object(Bucket=self._bucket, Key=key, VersionId=version)
        return StoredAnchor(key, found["Body"].read())

    def _client(self) -> "S3Client":
        return s3.client()

    def _explained(self, fault: ClientError | BotoCoreError) -> AuditError:
        code = _code(fault) if isinstance(fault, ClientError) else type(fault).__name__
        return AuditError(f"The audit bucket {self._bucket} answers {code}; check its name and the role's permissions.")


def _code(fault: ClientError) -> str:
    return str(fault.response.get("Error", {}).get("Code", "an error"))
