"""Certificates of authorities in a stack's settings: PEM, or the path of a PEM file, read and verified."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from infra.settings.fields import Written

# The bundle of a region has a few authorities, that of all regions more than a hundred.
MOST = 16
LARGEST_BYTES = 128 * 1024
_BEGIN, _PRIVATE_KEY = "-----BEGIN ", "PRIVATE KEY-----"
_RSA_BITS, _EC_BITS = 2048, 256

Authorities = Annotated[str, Written("the path of a PEM file, or the PEM", lambda text: text)]


def read_authorities(root: Path, text: str) -> str:
    """Return certificates of authorities as PEM, without what else a file has.

    Parameters
    ----------
    root : Path
        The project's folder, to which a path is relative.
    text : str
        PEM, or the path of a PEM file.

    Raises
    ------
    ValueError
        If there are none, or one is not a certificate of an authority; the message never has content of the file.
    """
    pem = text if _BEGIN in text else _read(root, text)
    if _PRIVATE_KEY in pem:
        raise ValueError("has a private key; give certificates of authorities alone, and replace that key")
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise ValueError("has no certificates in PEM, or one that cannot be read; download the bundle again") from None
    if faults := list(_faults(certificates)):
        raise ValueError(faults[0])
    return "".join(certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in certificates)


def _read(root: Path, text: str) -> str:
    path = root / text
    try:
        # Not a device or a pipe, which may have no end.
        size = path.stat().st_size if path.is_file() or not path.exists() else -1
        content = path.read_bytes() if 0 <= size <= LARGEST_BYTES else b""
    except FileNotFoundError:
        raise ValueError(
            f"names {text!r}, which does not exist; save the authorities of the server's certificate there, as "
            "docs/production.md describes"
        ) from None
    except (OSError, ValueError):
        raise ValueError("is not PEM, and not the path of a file that can be read; correct it") from None
    if size < 0:
        raise ValueError(f"names {text!r}, which is not a file; give the path of a PEM file")
    if size > LARGEST_BYTES:
        raise ValueError(f"names {text!r}, which has more than {LARGEST_BYTES // 1024} KiB; give the region's bundle")
    return content.decode("utf-8", errors="replace")


def _faults(certificates: list[x509.Certificate]) -> Iterator[str]:
    """Yield what is wrong with certificates, which are counted from 1."""
    if len(certificates) > MOST:
        yield f"has {len(certificates)} certificates; give the bundle of the stack's region, at most {MOST}"
    for number, certificate in enumerate(certificates, start=1):
        if not _is_authority(certificate):
            yield f"has a certificate (number {number}) that is not of an authority; give authorities alone"
        elif not _is_strong(certificate):
            yield f"has an authority (number {number}) with a weak key; give one with RSA {_RSA_BITS} or P-256 and more"
    now = datetime.now(UTC)
    if not any(
        _is_root(certificate) and certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        for certificate in certificates
    ):
        yield "has no root certificate that is valid today; download the current bundle"


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        extensions = certificate.extensions
        is_ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    usages = [usage.value for usage in extensions if isinstance(usage.value, x509.KeyUsage)]
    return is_ca and all(usage.key_cert_sign for usage in usages)


def _is_strong(certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= _EC_BITS


def _is_root(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
