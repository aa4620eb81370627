"""TLS settings of a connection: trusted authority, client certificate, and handshake errors."""

import ssl
import tempfile
from pathlib import Path

import httpx

from model.errors import UserError
from model.fhir_server.credentials import Credentials


def context(credentials: Credentials, *, with_certificate: bool) -> ssl.SSLContext:
    """Return the settings of a connection: the named authority or the public ones, and our certificate if it is asked.

    Raises
    ------
    UserError
        When the authority, the certificate or its key is no PEM that fits.
    """
    try:
        tls = ssl.create_default_context(cadata=credentials.ca) if credentials.ca else httpx.create_ssl_context()
    except ssl.SSLError:
        raise UserError("--ca is not a PEM certificate; give that of the FHIR server's authority.") from None
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if with_certificate and credentials.certificate:
        _show(tls, credentials.certificate, credentials.certificate_key or "")
    return tls


def _show(made: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a certificate; OpenSSL reads files only, so it is one for a moment, readable by us alone."""
    with tempfile.TemporaryDirectory(prefix="tls-") as folder:
        pem = Path(folder, "client.pem")
        pem.touch(mode=0o600)
        pem.write_text(f"{certificate}\n{key}\n", encoding="ascii")
        try:
            made.load_cert_chain(pem, password=lambda: "")
        except (ssl.SSLError, ValueError):
            raise UserError(
                "The client certificate and its key do not match; give a PEM pair, the key without a password."
            ) from None


def handshake_fault(fault: BaseException) -> str | None:
    """Return why TLS failed permanently and what to do; nothing when another attempt may succeed."""
    cause: BaseException | None = fault
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"presents a certificate that is not trusted ({cause.verify_message}); give its authority with --ca"
        if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
            return "refused the TLS handshake; add the client certificate that it requires to the credentials"
        cause = cause.__cause__ or cause.__context__
    return None
