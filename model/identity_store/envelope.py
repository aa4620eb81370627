"""Envelope encryption: records are encrypted with a data key, which Vault's transit engine wraps."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from model.deid.keys import home, key_of
from model.errors import UserError
from model.io.console import warn
from model.io.vault import Transit, Vault

KEY_NAME = "identity"
NONCE_BYTES = 12
DATA_KEY_BITS = 256
_WRAPPED = b"identity data key"


@dataclass(frozen=True)
class DataKey:
    """Data key of one version of the store: plaintext for the writer, wrapped for later readers."""

    clear: bytes
    wrapped: str


class Wrapping(Protocol):
    """Key wrapping: creates and unwraps data keys."""

    def new(self) -> DataKey:
        """Return a new data key."""
        ...

    def unwrap(self, wrapped: str) -> bytes:
        """Return a data key in the clear."""
        ...


class VaultWrapping:
    """Data keys by Vault transit; to make one and to open one are two different rights."""

    def __init__(self, vault: Transit, mount: str) -> None:
        self._vault = vault
        self._mount = mount

    def new(self) -> DataKey:
        """Return a new data key."""
        data_key = self._vault.post(f"{self._mount}/datakey/plaintext/{KEY_NAME}", {"bits": DATA_KEY_BITS})
        return DataKey(base64.b64decode(data_key["plaintext"]), data_key["ciphertext"])

    def unwrap(self, wrapped: str) -> bytes:
        """Return a data key in the clear."""
        plaintext = self._vault.post(f"{self._mount}/decrypt/{KEY_NAME}", {"ciphertext": wrapped})
        return base64.b64decode(plaintext["plaintext"])


class LocalWrapping:
    """Data keys wrapped with a local key file; for development and tests, never for patients' data."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def new(self) -> DataKey:
        """Return a new data key."""
        clear = AESGCM.generate_key(DATA_KEY_BITS)
        return DataKey(clear, seal(self._key, clear, _WRAPPED))

    def unwrap(self, wrapped: str) -> bytes:
        """Return a data key in the clear."""
        return unseal(self._key, wrapped, _WRAPPED)


def wrapping(hospital: str, key_file: Path | None) -> Wrapping:
    """Return Vault's wrapping when ``VAULT_ADDR`` and ``VAULT_ROLE`` are set, else a key file's with a warning."""
    vault = Vault.from_environment()
    if vault is not None and key_file is None:
        return VaultWrapping(vault, f"{hospital}/transit")
    path = key_file or home() / "keys" / f"{hospital}.identity.key"
    warn(f"identities are sealed with the key file {path}; set VAULT_ADDR and VAULT_ROLE to use Vault for patients.")
    return LocalWrapping(key_of(path))


def seal(key: bytes, clear: bytes, bound: bytes) -> str:
    """Return a text sealed by AES-256-GCM and bound to what it belongs to, in base64 with its nonce in front."""
    nonce = os.urandom(NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, clear, bound)).decode()


def unseal(key: bytes, sealed: str, bound: bytes) -> bytes:
    """Return what was sealed.

    Raises
    ------
    UserError
        When the key is another, or the text was changed or moved to where it does not belong.
    """
    try:
        content = base64.b64decode(sealed, validate=True)
        return AESGCM(key).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise UserError("An identity cannot be decrypted: the key differs or the store was changed.") from None
