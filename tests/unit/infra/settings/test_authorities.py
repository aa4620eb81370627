"""Authorities of the database server: what is no certificate of an authority is refused, and never printed."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from infra.settings import EksSettings, SettingsError
from infra.settings.authorities import LARGEST_BYTES, MOST, read_authorities
from tests.support.identity.tls import Authority, private_pem
from tests.support.stack.mocked_stack import database_authorities, settings

AUTHORITY = Authority()
ROOT = AUTHORITY.certificate.decode()
LEAF = AUTHORITY.issue("server").certificate.decode()
DAY = timedelta(days=1)
FILE = "build/aurora-authorities.pem"


def certificate(
    *,
    key: Any = None,
    signer: Any = None,
    until: timedelta = DAY,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.BasicConstraints(ca=True, path_length=None), True),
    ),
) -> str:
    """Return a certificate that names itself as its issuer."""
    key = key or ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(datetime.now(UTC) - 9 * DAY)
    builder = builder.not_valid_after(datetime.now(UTC) + until)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer or key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def usage(*, signs_certificates: bool) -> x509.KeyUsage:
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(key_cert_sign=signs_certificates, **dict.fromkeys(names, False))


def ca(**given: bool) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return ((x509.BasicConstraints(ca=True, path_length=None), True), (usage(**given), True))


def test_a_file_and_its_pem_are_the_same_setting(tmp_path: Path) -> None:
    text = f"AWS region bundle, us-east-1\n{ROOT}# the end\n"
    (tmp_path / "bundle.pem").write_text(text)
    assert read_authorities(tmp_path, "bundle.pem") == read_authorities(tmp_path, text) == ROOT


def test_a_bundle_keeps_every_authority_and_nothing_else() -> None:
    bundle = [ROOT, certificate(extensions=ca(signs_certificates=True)), certificate(until=-DAY)]
    published = read_authorities(Path(), "comment\n".join(bundle))
    assert published == "".join(bundle)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ROOT + private_pem(AUTHORITY.key).decode(), "has a private key"),
        (private_pem(AUTHORITY.key).decode(), "has a private key"),
        (LEAF, r"certificate \(number 1\) that is not of an authority"),
        (ROOT + LEAF, r"certificate \(number 2\) that is not of an authority"),
        (certificate(extensions=()), "not of an authority"),
        (certificate(extensions=ca(signs_certificates=False)), "not of an authority"),
        (certificate(until=-DAY), "no root certificate that is valid today"),
        (certificate(signer=ec.generate_private_key(ec.SECP384R1())), "no root certificate that is valid today"),
        (certificate(key=ec.generate_private_key(ec.SECP192R1())), "weak key"),
        (certificate(key=rsa.generate_private_key(65537, 1024)), "weak key"),
        (ROOT * (MOST + 1), f"has {MOST + 1} certificates; give the bundle of the stack's region"),
        (ROOT.replace("M", "N", 1), "has no certificates in PEM, or one that cannot be read"),
        (ROOT[: len(ROOT) // 2], "has no certificates in PEM, or one that cannot be read"),
        ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "cannot be read"),
        (ROOT.replace("CERTIFICATE", "CERTIFICATE REQUEST"), "cannot be read"),
        ("", "not a file"),
        (".", "not a file"),
        ("missing.pem", "'missing.pem', which does not exist; save the authorities of the server's certificate there"),
        ("a" * 5000, "is not PEM, and not the path of a file"),
        ("nul\0", "is not PEM, and not the path of a file|which does not exist"),
    ],
)
def test_what_is_not_an_authority_is_refused_without_its_content(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        read_authorities(tmp_path, text)
    message = str(refusal.value)
    assert len(message) < 300
    assert not re.search(r"[A-Za-z0-9+/]{60}", message)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x" * (LARGEST_BYTES + 1)])
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bundle.pem").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read|more than 128 KiB"):
        read_authorities(tmp_path, "bundle.pem")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="which is not a file"):
        read_authorities(tmp_path, "pipe")


def without(written: dict[str, Any]) -> None:
    del written["endpoints"]["postgresql"]


def given(**setting: object) -> Callable[[dict[str, Any]], None]:
    def change(written: dict[str, Any]) -> None:
        written["endpoints"]["postgresql"] = setting

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without, "endpoints.postgresql is missing; add it, as docs/settings.md describes"),
        (given(), "endpoints.postgresql.authorities is missing"),
        (given(authorities=7), "endpoints.postgresql.authorities 7 is not text; write the path of a PEM file"),
        (given(authorities=[ROOT]), "endpoints.postgresql.authorities is a list and not text; write"),
        (given(authorities=LEAF), "endpoints.postgresql.authorities has a certificate (number 1) that is not of an"),
        (given(authorities="none.pem"), "endpoints.postgresql.authorities names 'none.pem', which does not exist"),
        (given(authorities=ROOT, url="postgresql://10.0.0.1"), "endpoints.postgresql.url"),
    ],
)
def test_production_without_them_is_refused_in_a_sentence(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings("prod", tmp_path, change)
    sentences = str(refusal.value).splitlines()
    assert any(says in sentence for sentence in sentences), sentences
    assert all(sentence.startswith("Pulumi.prod.yaml: ") and sentence.endswith(".") for sentence in sentences)


def test_production_has_the_certificates_of_its_file(tmp_path: Path) -> None:
    chosen = settings("prod", tmp_path)
    assert isinstance(chosen, EksSettings)
    assert (tmp_path / FILE).read_text() == chosen.endpoints.postgresql.authorities == database_authorities()
