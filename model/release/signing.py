"""Ed25519 signatures over a release's file list: by Vault's transit engine, or with a local key file."""

import base64
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from model.artifact.trust import ALGORITHM, Signature, trusted_keys
from model.deid.keys import home
from model.errors import UserError
from model.io.console import warn
from model.io.vault import Transit, Vault

KEY_NAME = "release-signing"


class Signer(Protocol):
    """Signer of releases."""

    def sign(self, message: bytes) -> Signature:
        """Return the signature of a message."""
        ...

    def public_keys(self) -> dict[str, str]:
        """Return the public key of each version, in base64."""
        ...


class LocalSigner:
    """Signer with a local key file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            path.write_bytes(
                Ed25519PrivateKey.generate().private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError):
            raise UserError(f"The signing key {path} cannot be read; correct or remove it.") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise UserError(f"The signing key {path} is not an Ed25519 key; correct or remove it.")
        self._key = key

    def public_keys(self) -> dict[str, str]:
        """Return the public key; a key file has one version."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"v1": base64.b64encode(raw).decode()}

    def sign(self, message: bytes) -> Signature:
        """Return the signature of a message."""
        signature = base64.b64encode(self._key.sign(message)).decode()
        return Signature(ALGORITHM, "key file", "v1", self.public_keys()["v1"], signature)


class VaultSigner:
    """Signer with Vault's transit engine: the key never leaves Vault."""

    def __init__(self, vault: Transit, mount: str, key: str = KEY_NAME) -> None:
        self._vault = vault
        self._mount = mount
        self._key = key

    def sign(self, message: bytes) -> Signature:
        """Return the signature of a message."""
        body = {"input": base64.b64encode(message).decode()}
        signature: str = self._vault.post(f"{self._mount}/sign/{self._key}", body)["signature"]
        _, version, text = signature.split(":")
        return Signature(ALGORITHM, f"vault {self._mount}/{self._key}", version, self.public_keys()[version], text)

    def public_keys(self) -> dict[str, str]:
        """Return the public key of each version."""
        keys: dict[str, Any] = self._vault.get(f"{self._mount}/keys/{self._key}")["keys"]
        return {f"v{version}": str(key["public_key"]) for version, key in keys.items()}


def signer(hospital: str, key_file: Path | None) -> Signer:
    """Return Vault's signer when ``VAULT_ADDR`` and ``VAULT_ROLE`` are set, else the key file's with a warning."""
    vault = Vault.from_environment()
    if vault is not None and key_file is None:
        return VaultSigner(vault, f"{hospital}/transit")
    path = key_file or home() / "keys" / f"{hospital}.release.key"
    warn(f"the release is signed with the key file {path}; set VAULT_ADDR and VAULT_ROLE to sign with Vault.")
    return LocalSigner(path)


def trust(hospital: str | None, key_file: Path | None) -> frozenset[str] | None:
    """Return the public keys of a hospital or a key file, else those of ``HMLOPS_TRUSTED_KEYS``, or nothing."""
    if hospital is None and key_file is None:
        return trusted_keys()
    if key_file is not None and not key_file.is_file():
        raise UserError(f"There is no signing key at {key_file}; name the file that signed the release.")
    return frozenset(signer(hospital or "", key_file).public_keys().values())
