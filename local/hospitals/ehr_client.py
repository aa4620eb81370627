"""Demonstration EHR of a hospital: its signing key, its client certificate, and its entry in the stack.

The keys are this machine's own, in files that only their owner reads; the stack's overlay has the public key alone.
"""

import base64
import hashlib
import json
import ssl
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hvac
import jwt
import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hvac.exceptions import VaultError
from jwt.algorithms import ECAlgorithm

from local.cluster.openbao import operator
from local.errors import UserError
from local.paths import Home
from local.secret_file import write_secret
from local.stack.stack import Stack

ALGORITHM, CURVE = "ES384", "P-384"
TOKEN_SECONDS = 120
RENEWED_BEFORE = timedelta(days=7)
_ROLE = "program"


@dataclass(frozen=True)
class EhrClient:
    """Demonstration EHR of one hospital.

    Parameters
    ----------
    home, hospital
        The environment, and the hospital whose EHR it is.
    """

    home: Home
    hospital: str

    @property
    def application(self) -> str:
        """Common name of its client certificate."""
        return f"{self.hospital}-ehr"

    @property
    def issuer(self) -> str:
        """Claim ``iss`` of its tokens."""
        return f"https://ehr.{self.hospital}.example"

    def entry(self) -> dict[str, Any]:
        """Return the section ``ehr`` of the hospital's entry, with the public key; the key is made if it is missing."""
        key = self._key()
        jwk = {
            name: value for name, value in ECAlgorithm.to_jwk(key.public_key(), as_dict=True).items() if name != "kid"
        }
        public = {"kty": "EC", "kid": _thumbprint(jwk), "alg": ALGORITHM, "crv": CURVE, "x": jwk["x"], "y": jwk["y"]}
        return {"application": self.application, "issuer": self.issuer, "keys": [public]}

    def token(self, audience: str) -> str:
        """Return a signed token for an address, as CDS Hooks 2.0 describes it; it is good for one call."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": audience, "iat": now, "exp": now + TOKEN_SECONDS, "jti": str(uuid.uuid4())}
        headers = {"typ": "JWT", "kid": self.entry()["keys"][0]["kid"]}
        return jwt.encode(claims, self._key(), algorithm=ALGORITHM, headers=headers)

    def tls(self) -> ssl.SSLContext:
        """Return the context of its calls: its certificate, issued if need be, and the gateway's authority.

        Raises
        ------
        UserError
            If Vault does not answer, or does not issue the certificate.
        """
        client = operator(self.home)
        try:
            trusted = server_authority(client, self.hospital)
            authority = x509.load_pem_x509_certificate(_authority(client, f"{self.hospital}/pki").encode("ascii"))
            if not self._certified(authority):
                self._issue(client)
        except (VaultError, requests.RequestException, KeyError, TypeError) as fault:
            raise UserError(
                f"Vault issued no client certificate for the EHR of {self.hospital} ({type(fault).__name__}): run "
                "`make status`, then `make up`, which declares its authority."
            ) from None
        context = ssl.create_default_context(cadata=trusted)
        context.load_cert_chain(self._certificate_file)
        return context

    @property
    def _folder(self) -> Path:
        return self.home.root / "ehr-clients" / self.hospital

    @property
    def _certificate_file(self) -> Path:
        return self._folder / "client.pem"

    def _key(self) -> ec.EllipticCurvePrivateKey:
        file = self._folder / "signing.pem"
        if not file.exists():
            new = ec.generate_private_key(ec.SECP384R1())
            encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            write_secret(file, new.private_bytes(*encoding))
        key = serialization.load_pem_private_key(file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise UserError(f"{file} has no EC key: remove it, and run `make up`, which makes a new one.")
        return key

    def _certified(self, authority: x509.Certificate) -> bool:
        """Return whether the certificate is the authority's, of this name, and good for some days."""
        try:
            held = x509.load_pem_x509_certificate(self._certificate_file.read_bytes())
            held.verify_directly_issued_by(authority)
        except (FileNotFoundError, ValueError, TypeError, InvalidSignature):
            return False
        names = [str(one.value) for one in held.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        return names == [self.application] and held.not_valid_after_utc > datetime.now(UTC) + RENEWED_BEFORE

    def _issue(self, client: hvac.Client) -> None:
        issued = client.write_data(f"{self.hospital}/pki/issue/{_ROLE}", data={"common_name": self.application})["data"]
        pem = "\n".join([issued["private_key"], issued["certificate"], ""])
        write_secret(self._certificate_file, pem.encode("ascii"))


def declare(home: Home, stack: Stack) -> None:
    """Write the demonstration EHR of each hospital into the stack's overlay, unless its entry names an EHR."""
    own = {entry["name"] for entry in stack.declared() if entry.get("ehr")}
    for entry in stack.working():
        wanted = EhrClient(home, entry["name"]).entry() if entry["name"] not in own else entry["ehr"]
        if entry.get("ehr") != wanted:
            stack.set_fields(entry["name"], _fields("ehr", wanted))


def is_demonstration(home: Home, entry: dict[str, Any]) -> bool:
    """Return whether the EHR of a hospital's entry is the demonstration's."""
    return bool(entry.get("ehr") == EhrClient(home, entry["name"]).entry())


def _fields(name: str, value: Any) -> dict[str, str]:
    """Return nested values by their paths, as the engine writes them."""
    if isinstance(value, dict):
        return {path: text for key, part in value.items() for path, text in _fields(f"{name}.{key}", part).items()}
    if isinstance(value, list):
        return {path: text for i, part in enumerate(value) for path, text in _fields(f"{name}[{i}]", part).items()}
    return {name: str(value)}


def server_authority(client: hvac.Client, hospital: str) -> str:
    """Return the certificate of the authority of a hospital's servers, the gateway among them."""
    return _authority(client, f"{hospital}/workload-pki")


def _authority(client: hvac.Client, mount: str) -> str:
    """Return the certificate of the authority of a mount."""
    return str(client.read(f"{mount}/cert/ca")["data"]["certificate"])


def _thumbprint(jwk: dict[str, Any]) -> str:
    """Return the thumbprint of an EC key (RFC 7638)."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
