"""Client credentials for a FHIR server: from a file readable by its owner only, or from Vault."""

import json
from dataclasses import field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from model.errors import UserError
from model.io.vault import AbsentError, Transit, Vault

KV_PATH = "kv/data/fhir"
_OTHERS = 0o077


class Auth(StrEnum):
    """Client authentication method."""

    SMART = "smart-backend-services"
    SECRET = "client-secret"
    MUTUAL_TLS = "mutual-tls"
    NONE = "none"


class SecretMethod(StrEnum):
    """Client secret location in a token request (RFC 6749, section 2.3.1)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Credentials:
    """Client credentials; secret fields are never printed.

    Parameters
    ----------
    auth
        The way; a certificate may be shown with any of them.
    client
        The client id that the hospital gave.
    key, kid
        The private key of Backend Services, as PEM text or a JWK, and the id under which its public half is registered.
    secret, method
        The client secret, and where it goes.
    token_url
        The token endpoint, where the server does not publish it.
    scope
        What to ask for in place of reading each needed type.
    certificate, certificate_key
        PEM texts of the client certificate and its key.
    ca
        PEM text of the authority that signed the server's certificate, where it is not a public one.
    """

    auth: Auth = Auth.NONE
    client: str | None = None
    key: str | dict[str, Any] | None = field(default=None, repr=False)
    kid: str | None = None
    secret: str | None = field(default=None, repr=False)
    method: SecretMethod = SecretMethod.BASIC
    token_url: str | None = None
    scope: str | None = None
    certificate: str | None = field(default=None, repr=False)
    certificate_key: str | None = field(default=None, repr=False)
    ca: str | None = field(default=None, repr=False)

    def missing(self) -> list[str]:
        """Return the fields that the way of showing who we are needs and that are absent."""
        needed = {
            Auth.SMART: ("client", "key"),
            Auth.SECRET: ("client", "secret"),
            Auth.MUTUAL_TLS: ("certificate", "certificate_key"),
            Auth.NONE: (),
        }[self.auth]
        asked = {*needed, *(("certificate_key",) if self.certificate else ())}
        return sorted(name for name in asked if not getattr(self, name))


def credentials(
    hospital: str,
    *,
    file: Path | None = None,
    auth: str | None = None,
    client: str | None = None,
    ca: Path | None = None,
    vault: Transit | None = None,
    path: str = KV_PATH,
) -> Credentials:
    """Return the credentials for a hospital's server.

    Parameters
    ----------
    hospital : str
        Whose server it is.
    file : Path, optional
        A JSON file with the fields of `Credentials`; without one they are read from Vault, if the environment names it.
    auth, client : str, optional
        The way and the client id, which are no secrets; they must not contradict what was read.
    ca : Path, optional
        PEM file of the authority that signed the server's certificate.
    vault : Transit, optional
        A Vault client in place of the environment's.
    path : str
        Path in Vault, below the hospital's mounts.

    Raises
    ------
    UserError
        When the file can be read by others, is no such JSON, or lacks what the way needs.
    """
    where, written = _written(f"{hospital}/{path}", file, auth, vault)
    for name, value in {"auth": auth, "client": client}.items():
        if value is not None and written.setdefault(name, value) != value:
            raise UserError(f"The {name} of {where} differs from --{name}; correct one of them.")
    parsed = _parse(where, written)
    if missing := parsed.missing():
        raise UserError(f"{where} lacks {' and '.join(missing)}, which {parsed.auth} needs; add it there.")
    return replace(parsed, ca=_text(ca)) if ca else parsed


def _written(path: str, file: Path | None, auth: str | None, vault: Transit | None) -> tuple[str, dict[str, object]]:
    if file is not None:
        return f"The credentials file {file}", _read(file)
    login = vault or Vault.from_environment()
    if login is None:
        return "The command line without --credentials", {}
    try:
        return f"Vault's {path}", dict(login.get(path)["data"])
    except AbsentError:
        # A server that lets anybody in may still have an authority of its own there, or nothing.
        if auth != Auth.NONE:
            raise
    return f"Vault without {path}", {}


def _read(file: Path) -> dict[str, object]:
    try:
        if file.stat().st_mode & _OTHERS:
            raise UserError(f"The credentials file {file} can be read by others; run chmod 600 on it.")
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise UserError(f"Cannot read the credentials file {file}: {fault.strerror}.") from None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UserError(f"The credentials file {file} is not a JSON object; write auth, client and so on in one.")
    return content


def _parse(where: str, written: dict[str, object]) -> Credentials:
    """Check the fields; a fault names the field alone, for its value may be the secret."""
    try:
        return TypeAdapter(Credentials).validate_python(written)
    except ValidationError as invalid:
        names = sorted({str(fault["loc"][0]) for fault in invalid.errors(include_input=False) if fault["loc"]})
        fields = ", ".join(Credentials.__dataclass_fields__)
        raise UserError(f"{where} cannot be used: see {', '.join(names)}; its fields are {fields}.") from None


def _text(ca: Path) -> str:
    try:
        return ca.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"The certificate authority {ca} cannot be read; give a PEM file with --ca.") from None
