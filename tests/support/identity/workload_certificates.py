"""Certificates of workloads under test: a hospital's authority, and certificates with SPIFFE URIs."""

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.transport import TlsFiles

BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
HOUR = timedelta(hours=1)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class WorkloadAuthority:
    """A certificate authority that issues certificates to workloads."""

    name: str = "authority under test"
    key: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    @property
    def certificate(self) -> bytes:
        now = datetime.now(UTC)
        issued = (
            x509.CertificateBuilder()
            .subject_name(_name(self.name))
            .issuer_name(_name(self.name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + 24 * HOUR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        return issued.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        files: TlsFiles,
        *uris: str,
        life: timedelta = HOUR,
        usages: tuple[x509.ObjectIdentifier, ...] = BOTH,
    ) -> int:
        """Write a certificate with URIs, its key and the authority; return the serial number."""
        key, now, serial = _key(), datetime.now(UTC), x509.random_serial_number()
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        issued = (
            x509.CertificateBuilder()
            .subject_name(_name("workload"))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(now - 2 * HOUR)
            .not_valid_after(now + life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        replace(files.authority, self.certificate)
        replace(files.certificate, issued.public_bytes(serialization.Encoding.PEM))
        replace(files.key, private)
        return serial

    def revoke(self, path: Path, *serials: int) -> None:
        """Write the authority's revocation list."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_name(self.name))
            .last_update(now - HOUR)
            .next_update(now + HOUR)
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - HOUR).build()
            builder = builder.add_revoked_certificate(entry)
        replace(path, builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def replace(path: Path, content: bytes) -> None:
    """Replace a file as the Vault agent does: written beside it, and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.rename(path)


def files(folder: Path, *, revocations: bool = False) -> TlsFiles:
    """Return the files of a workload in a folder of its own."""
    return TlsFiles(
        folder / "tls.crt", folder / "tls.key", folder / "tls.ca", folder / "tls.crl" if revocations else None
    )


def tls_environment(of: TlsFiles) -> dict[str, str]:
    """Return the variables by which a service finds its certificate."""
    return {
        "TLS_CERTIFICATE_FILE": str(of.certificate),
        "TLS_KEY_FILE": str(of.key),
        "TLS_CA_FILE": str(of.authority),
    }
