"""A hospital's certificate authority under test: server, client and workload certificates, and its revocation list."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.identity.tls import Pair, private_pem

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True)
class HospitalAuthority:
    """A certificate authority with a key of its own."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, as PEM."""
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        built = (
            self._builder(self.name, self.key.public_key(), datetime.now(UTC) + _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA384())
        )
        return built.public_bytes(serialization.Encoding.PEM)

    def issue(self, subject: str, *names: x509.GeneralName, expired: bool = False) -> Pair:
        """Return a certificate for servers and clients, which is valid from an hour ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        now = datetime.now(UTC)
        builder = self._builder(subject, key.public_key(), now - _HOUR / 2 if expired else now + _DAY)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA384())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), private_pem(key))

    def revocation_list(self, revoked: Collection[Pair] = ()) -> bytes:
        """Return the revocation list, as PEM."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(_name(self.name))
        builder = builder.last_update(now - _HOUR).next_update(now + _DAY)
        for pair in revoked:
            serial = x509.load_pem_x509_certificate(pair.certificate).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _HOUR).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject: str, key: ec.EllipticCurvePublicKey, end: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(self.name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - _HOUR)
            .not_valid_after(end)
        )


@dataclass(frozen=True)
class PairFiles:
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


def write(pair: Pair, folder: Path, name: str) -> PairFiles:
    """Write a pair to files."""
    files = PairFiles(folder / f"{name}.crt", folder / f"{name}.key")
    pair.write(files.certificate, files.key)
    return files
