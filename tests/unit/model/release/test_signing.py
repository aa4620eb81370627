"""Vault signs releases, and its key checks them."""

import base64
from pathlib import Path
from typing import Any

import pytest

from model.artifact.trust import Signature, check
from model.errors import UserError
from model.release.signing import LocalSigner, VaultSigner


class FakeTransit:
    """Signs with a key of its own, in Vault's words."""

    def __init__(self, path: Path) -> None:
        self._signer = LocalSigner(path)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "north/transit/sign/release-signing"
        return {"signature": f"vault:v2:{self._signer.sign(base64.b64decode(body['input'])).signature}"}

    def get(self, path: str) -> dict[str, Any]:
        assert path == "north/transit/keys/release-signing"
        return {"keys": {"2": {"public_key": self._signer.public_keys()["v1"]}}}


def test_vault_signs_and_its_key_checks(tmp_path: Path) -> None:
    signer = VaultSigner(FakeTransit(tmp_path / "key"), "north/transit")
    made = signer.sign(b"list")
    assert made.key_version == "v2"
    check(made, b"list", signer.public_keys().values())
    with pytest.raises(UserError, match="does not match"):
        check(made, b"another list")
    with pytest.raises(UserError, match="does not match"):
        check(Signature("ed25519", "x", "v1", "not base64", "x"), b"list")
