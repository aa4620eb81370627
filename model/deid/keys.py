"""Pseudonym keys: Vault's transit engine, or a local key file."""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from model.errors import UserError
from model.io.console import warn
from model.io.vault import Transit, Vault

BATCH = 250
KEY_NAME = "pseudonym"
KEY_BYTES = 32
OTHERS = 0o077


@dataclass(frozen=True)
class PatientSecret:
    """Patient secret from a keyed HMAC, from which pseudonyms and the date shift derive."""

    version: str
    key: bytes


class Keyring(Protocol):
    """Source of patient secrets."""

    def secrets(self, inputs: Sequence[str]) -> list[PatientSecret]:
        """Return a secret for each input, in order."""
        ...


class LocalKeyring:
    """HMAC with a local key file; for development and tests, never for patients' data."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> "LocalKeyring":
        """Read the key, or make one that only this user can read."""
        return cls(key_of(path))

    def secrets(self, inputs: Sequence[str]) -> list[PatientSecret]:
        """Return a secret for each input, in order."""
        return [PatientSecret("v1", hmac.digest(self._key, text.encode(), "sha256")) for text in inputs]


class VaultKeyring:
    """HMAC by Vault transit: the key never leaves Vault, and the key's version stays with the pseudonym.

    Parameters
    ----------
    vault
        A client whose role may use the key.
    mount
        Where the hospital's transit engine is.
    version
        The key's version to hold to; the latest at the first question unless given. One keyring never changes
        its version, so a rotation in the middle of a run does not part a patient from his records.
    """

    def __init__(self, vault: Transit, mount: str, version: int | None = None) -> None:
        self._vault = vault
        self._path = f"{mount}/hmac/{KEY_NAME}/sha2-256"
        self._version = version

    def secrets(self, inputs: Sequence[str]) -> list[PatientSecret]:
        """Return a secret for each input, in order, asking Vault for at most 250 at a time."""
        derived: list[PatientSecret] = []
        for start in range(0, len(inputs), BATCH):
            batch = [{"input": base64.b64encode(t.encode()).decode()} for t in inputs[start : start + BATCH]]
            held = {"key_version": self._version} if self._version is not None else {}
            results = self._vault.post(self._path, {"batch_input": batch} | held)["batch_results"]
            derived.extend(self._secret(result) for result in results)
        return derived

    def _secret(self, result: dict[str, str]) -> PatientSecret:
        if "hmac" not in result:
            raise UserError(
                f"Vault returned no HMAC at {self._path}; check that the key and the version exist and are for HMAC."
            )
        _, version, text = result["hmac"].split(":")
        self._version = int(version.removeprefix("v"))
        return PatientSecret(version, base64.b64decode(text))


def keyring(hospital: str, key_file: Path | None, version: int | None = None) -> Keyring:
    """Return Vault's keyring when ``VAULT_ADDR`` and ``VAULT_ROLE`` are set, else the key file's with a warning.

    Parameters
    ----------
    hospital
        Whose key.
    key_file
        A key file to use in place of Vault.
    version
        The version of Vault's key to hold to, so that the hospital chooses when its pseudonyms change.
    """
    vault = Vault.from_environment()
    if vault is not None and key_file is None:
        return VaultKeyring(vault, f"{hospital}/transit", version)
    if version not in (None, 1):
        raise UserError("A key file has the version 1 only; leave --key-version out or use Vault.")
    path = key_file or home() / "keys" / f"{hospital}.pseudonym.key"
    warn(f"pseudonyms use the key file {path}; set VAULT_ADDR and VAULT_ROLE to use Vault for patients' data.")
    return LocalKeyring.from_file(path)


def key_of(path: Path) -> bytes:
    """Return the key in a file, or make one that only this user can read.

    Raises
    ------
    UserError
        When the file holds no key, or others may read it.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(KEY_BYTES), encoding="ascii")
        if path.stat().st_mode & OTHERS:
            raise UserError(f"Others may read the key file {path}; run chmod 600 on it, or remove it for a new one.")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        raise UserError(f"The key file {path} is not {KEY_BYTES} bytes in hex; correct or remove it.") from None
    if len(key) != KEY_BYTES:
        raise UserError(f"The key file {path} does not hold {KEY_BYTES} bytes in hex; correct or remove it.")
    return key


def identity(ring: Keyring) -> str:
    """Return a mark of the key in use, so that another key or version counts as another input."""
    probe = ring.secrets(["probe"])[0]
    return hashlib.sha256(probe.version.encode() + probe.key).hexdigest()


def home() -> Path:
    """Return the folder for keys of the shell."""
    named = os.environ.get("HMLOPS_HOME")
    return Path(named) if named else Path.home() / ".local" / "state" / "healthcare-mlops"


def unique(values: Iterable[str]) -> list[str]:
    """Return the values without repeats, in order of first sight."""
    return list(dict.fromkeys(values))
