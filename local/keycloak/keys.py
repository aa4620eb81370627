"""Keys that sign hospitals' tokens, kept with the environment: a realm that is replaced keeps its key.

Databases and gateways hold the public keys, and verify tokens by them until the next update.
"""

from collections.abc import Collection
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.keycloak.server import folder
from local.paths import Home
from local.secret_file import write_secret

BITS = 3072
_SUFFIX = ".pem"


def signing_key(home: Home, hospital: str) -> str:
    """Return a hospital's private key as PEM, which is created if it is missing."""
    file = _folder(home) / f"{hospital}{_SUFFIX}"
    if not file.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
        encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        write_secret(file, key.private_bytes(*encoding))
    return file.read_text(encoding="ascii")


def forget_others(home: Home, hospitals: Collection[str]) -> None:
    """Remove the keys of all hospitals but these."""
    for file in _folder(home).glob(f"*{_SUFFIX}"):
        if file.stem not in hospitals:
            file.unlink()


def _folder(home: Home) -> Path:
    return folder(home) / "keys"
