"""The signature of evidence: by the pack's own command, and by openssl."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from policy_pack.errors import PackError
from policy_pack.evidence.signature import FILES, fingerprint, private_key, verify, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pub").write_bytes(public)
    for name in FILES:
        (tmp_path / name).write_text(name)
    write(tmp_path, private_key(tmp_path / "key.pem"))
    return tmp_path


def test_evidence_is_verified_with_the_public_key(folder: Path) -> None:
    key = private_key(folder / "key.pem").public_key()
    assert verify(folder, folder / "key.pub") == fingerprint(key)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_evidence_is_verified_by_openssl_and_sha256sum(folder: Path) -> None:
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pub", "-rawin", "-in", "SHA256SUMS"]
    subprocess.run([*command, "-sigfile", "SHA256SUMS.sig"], cwd=folder, check=True, capture_output=True)
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("other")
    with pytest.raises(PackError, match=f"{name} was changed after the evidence was written"):
        verify(folder, folder / "key.pub")


def test_changed_digests_are_refused(folder: Path) -> None:
    (folder / FILES[0]).write_text("other")
    signature = (folder / "SHA256SUMS.sig").read_bytes()
    write(folder, None)
    assert not (folder / "SHA256SUMS.sig").exists()
    (folder / "SHA256SUMS.sig").write_bytes(signature)
    with pytest.raises(PackError, match="is not a signature by"):
        verify(folder, folder / "key.pub")


def test_another_key_is_refused(folder: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    (folder / "other.pub").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(PackError, match="is not a signature by"):
        verify(folder, folder / "other.pub")


def test_what_is_no_key_is_refused_in_one_sentence(folder: Path) -> None:
    elliptic = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ec.pem").write_bytes(elliptic)
    (folder / "junk.pem").write_bytes(b"junk")
    for name in ("ec.pem", "junk.pem", "key.pub", "missing.pem"):
        with pytest.raises(PackError):
            private_key(folder / name)
    for name in ("junk.pem", "key.pem", "missing.pub"):
        with pytest.raises(PackError):
            verify(folder, folder / name)
    (folder / "SHA256SUMS.sig").unlink()
    with pytest.raises(PackError, match="write signed evidence first"):
        verify(folder, folder / "key.pub")
