"""Release signatures: Ed25519 over the file list, by a trusted public key."""

import base64
import binascii
import json
import os
from collections.abc import Collection
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from model.artifact import files
from model.errors import UserError
from model.io import storage

ALGORITHM = "ed25519"
KEY_BYTES = 32
TRUSTED_KEYS = "HMLOPS_TRUSTED_KEYS"


@dataclass(frozen=True)
class Signature:
    """A signature over a release's file list, and the public key that checks it."""

    algorithm: str
    signer: str
    key_version: str
    public_key: str
    signature: str


@dataclass(frozen=True)
class SignedRelease:
    """A release with verified files and signature.

    Parameters
    ----------
    files : ReleaseFiles
        Its checked files.
    signature : Signature
        Who signed it.
    trusted : bool
        Whether the key was held against a list; else the signature only shows that nothing changed since.
    """

    files: files.ReleaseFiles
    signature: Signature
    trusted: bool


def open_release(place: str, *, trusted: Collection[str] | None, named: str | None = None) -> SignedRelease:
    """Check a release's hashes and signature; nothing of it may be used before.

    Parameters
    ----------
    place : str
        The release.
    trusted : collection of str, optional
        Public keys, base64, of which one must have signed.
    named : str, optional
        How the digest must begin, as in :func:`model.artifact.files.read`.

    Raises
    ------
    UserError
        When it was changed, is not signed, or is signed by a stranger.
    """
    release = files.read(place, named=named)
    signature = read_signature(place)
    if signature is None:
        raise UserError(f"The release at {place} is not signed; finish it with python -m model release.")
    check(signature, release.listed, trusted)
    return SignedRelease(release, signature, trusted is not None)


def read_signature(place: str) -> Signature | None:
    """Return a release's signature, unchecked, or nothing when it has none."""
    content = storage.read_if_any(storage.join(place, files.SIGNATURE_FILE))
    if content is None:
        return None
    try:
        return Signature(**{name: str(value) for name, value in json.loads(content).items()})
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"The signature of the release at {place} cannot be read; fetch it again.") from None


def check(signature: Signature, message: bytes, trusted: Collection[str] | None = None) -> None:
    """Refuse a signature that is not of this message, or not by one of the trusted public keys."""
    if trusted is not None and signature.public_key not in trusted:
        raise UserError("The release is signed by a key that is not trusted; do not use it.")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature.public_key, validate=True))
        key.verify(base64.b64decode(signature.signature, validate=True), message)
    except (InvalidSignature, ValueError):
        raise UserError("The release's signature does not match its files; do not use it, fetch it again.") from None


def trusted_keys(variable: str = TRUSTED_KEYS) -> frozenset[str] | None:
    """Return the public keys that an environment variable names (base64, with commas between), or nothing."""
    keys = frozenset(os.environ.get(variable, "").replace(",", " ").split())
    for key in keys:
        try:
            size = len(base64.b64decode(key, validate=True))
        except binascii.Error:
            size = 0
        if size != KEY_BYTES:
            raise UserError(f"{variable} must hold Ed25519 public keys in base64; correct it.")
    return keys or None
