"""A workload's certificate, key and trusted authority, read again whenever the Vault agent has replaced the files."""

import contextlib
import logging
import os
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from model.errors import UserError
from services.transport.identity import SpiffeId

# Resumption would accept a client without verifying its certificate again, so a rotation or a revocation would not
# apply to it: TLS 1.2 has session caches that cannot be switched off here.
MINIMUM_VERSION = ssl.TLSVersion.TLSv1_3
SECRETS = Path("/vault/secrets")
_VARIABLES = {
    "certificate": "TLS_CERTIFICATE_FILE",
    "key": "TLS_KEY_FILE",
    "authority": "TLS_CA_FILE",
}
_REVOCATIONS = "TLS_CRL_FILE"

log = logging.getLogger(__name__)

Version = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class TlsFiles:
    """Files of a workload's certificate.

    Parameters
    ----------
    certificate, key
        The certificate chain and its private key, as PEM.
    authority
        Certificates of the authorities whose certificates are trusted, as PEM.
    revocations
        Certificate revocation list of the authority, as PEM; None where none is published.
    """

    certificate: Path = SECRETS / "tls.crt"
    key: Path = SECRETS / "tls.key"
    authority: Path = SECRETS / "tls.ca"
    revocations: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "TlsFiles":
        """Return the files that ``TLS_*_FILE`` name, by default those that the Vault agent writes."""
        paths = {field: Path(environment[name]) for field, name in _VARIABLES.items() if environment.get(name)}
        revocations = environment.get(_REVOCATIONS)
        return cls(**paths, revocations=Path(revocations) if revocations else None)

    @property
    def all(self) -> tuple[Path, ...]:
        """The files that exist for this workload."""
        return (self.certificate, self.key, self.authority, *([self.revocations] if self.revocations else []))

    def version(self) -> Version:
        """Return a value that changes when a file is replaced.

        Raises
        ------
        OSError
            If a file is missing.
        """
        statuses = (path.stat() for path in self.all)
        return tuple((status.st_ino, status.st_mtime_ns, status.st_size) for status in statuses)


class Credentials:
    """The newest valid credentials of a workload.

    The agent replaces the files one by one, so a certificate may for a moment have another's key: then, and whenever
    the files cannot be used, the credentials before them stay in use until the files change again.

    Parameters
    ----------
    files
        The files.
    server
        Whether they authenticate a server, or a client.

    Raises
    ------
    UserError
        If the files cannot be used at the start.
    """

    def __init__(self, files: TlsFiles, *, server: bool) -> None:
        self._files, self._server, self._lock = files, server, threading.Lock()
        try:
            self._version = files.version()
            self._context, self._identity = self._load()
        except (OSError, ValueError) as error:
            raise UserError(
                f"The certificate of this workload in {files.certificate.parent} cannot be used "
                f"({_reason(error)}); check the annotations of its pod and the log of its Vault agent."
            ) from error

    def context(self) -> ssl.SSLContext:
        """Return the TLS context for the next connection."""
        with self._lock, contextlib.suppress(OSError):
            version = self._files.version()
            if version != self._version:
                self._reload(version)
        return self._context

    @property
    def identity(self) -> SpiffeId:
        """The workload's own identity."""
        return self._identity

    def _reload(self, version: Version) -> None:
        self._version = version
        try:
            self._context, self._identity = self._load()
        except (OSError, ValueError) as error:
            log.warning("The new TLS files cannot be used, the ones before them stay in use: %s", _reason(error))

    def _load(self) -> tuple[ssl.SSLContext, SpiffeId]:
        protocol = ssl.PROTOCOL_TLS_SERVER if self._server else ssl.PROTOCOL_TLS_CLIENT
        context = ssl.SSLContext(protocol)
        # Workloads are known by their SPIFFE URI, not by a DNS name.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = MINIMUM_VERSION
        context.set_alpn_protocols(["http/1.1"])
        if self._server:
            context.num_tickets = 0
        context.load_verify_locations(cafile=self._files.authority)
        if self._files.revocations:
            context.load_verify_locations(cafile=self._files.revocations)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        context.load_cert_chain(self._files.certificate, self._files.key)
        return context, _own_identity(self._files.certificate)


def _own_identity(path: Path) -> SpiffeId:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        names = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        raise ValueError("the certificate has no subject alternative name") from None
    if not isinstance(names, x509.SubjectAlternativeName):
        raise TypeError("the certificate has an unknown subject alternative name")
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise ValueError("the certificate does not have exactly one URI")
    return SpiffeId.parse(uris[0])


def _reason(error: Exception) -> str:
    text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return " ".join(text.split())
