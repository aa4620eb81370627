"""Signature of the evidence: the digests of its files, signed with an Ed25519 key.

``sha256sum --check SHA256SUMS`` and ``python -m policy_pack verify`` (or ``openssl pkeyutl -verify -rawin``) verify it.
"""

import hashlib
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from policy_pack.errors import PackError

DIGESTS: Final = "SHA256SUMS"
SIGNATURE: Final = "SHA256SUMS.sig"
FILES: Final = ("evidence.json", "index.html")


def private_key(path: Path) -> Ed25519PrivateKey:
    """Return the key of a PEM file; raises `PackError` when it is not an Ed25519 key without password."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise PackError(f"{path} cannot be read ({error.strerror}); use an Ed25519 key in PEM form.") from None
    except (TypeError, ValueError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise PackError(f"{path} is not an Ed25519 key; create one with openssl genpkey -algorithm ed25519.")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 digest of a public key in DER form."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def write(folder: Path, key: Ed25519PrivateKey | None) -> None:
    """Write the digests of the evidence's files, and their signature where there is a key."""
    digests = "".join(f"{_digest(folder / name)}  {name}\n" for name in FILES)
    (folder / DIGESTS).write_text(digests, encoding="ascii")
    signature = folder / SIGNATURE
    if key:
        signature.write_bytes(key.sign(digests.encode("ascii")))
    else:
        # A signature of earlier evidence would not fit.
        signature.unlink(missing_ok=True)


def verify(folder: Path, key_file: Path) -> str:
    """Return the fingerprint of the key that signed the evidence in a folder.

    Raises
    ------
    PackError
        When a file is missing or was changed, or the signature is not by this key.
    """
    try:
        key = load_pem_public_key(key_file.read_bytes())
        digests, signature = (folder / DIGESTS).read_bytes(), (folder / SIGNATURE).read_bytes()
        lines = {name: digest for digest, _, name in (line.partition("  ") for line in digests.decode().splitlines())}
        changed = [name for name in FILES if lines.get(name) != _digest(folder / name)]
    except OSError as error:
        raise PackError(f"{error.filename} cannot be read ({error.strerror}); write signed evidence first.") from None
    except ValueError:
        raise PackError(f"{key_file} is not a public key in PEM form, or {DIGESTS} is not a list of digests.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise PackError(f"{key_file} is not an Ed25519 public key; use the one of the security officer.")
    if changed:
        raise PackError(f"{changed[0]} was changed after the evidence was written; write the evidence again.")
    try:
        key.verify(signature, digests)
    except InvalidSignature:
        raise PackError(f"{SIGNATURE} is not a signature by {key_file}; do not rely on this evidence.") from None
    return fingerprint(key)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
