"""Application outside the cluster that a hospital's gateway admits: its signing key and its client certificate.

Both are this machine's own, in files that only their owner reads.
"""

import base64
import hashlib
import json
import ssl
import time
import uuid
from collections.abc import Mapping
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
from local.keycloak.programs import ALGORITHM
from local.paths import Home
from local.secret_file import write_secret

CURVE = "P-384"
RENEWED_BEFORE = timedelta(days=7)
_ROLE = "program"


@dataclass(frozen=True)
class Application:
    """Application of a hospital.

    Parameters
    ----------
    home, hospital
        The environment, and the hospital.
    name
        Common name of its client certificate.
    folder
        Folder of its key and certificate.
    """

    home: Home
    hospital: str
    name: str
    folder: Path

    def public_key(self) -> dict[str, str]:
        """Return the public key of its tokens as a JSON Web Key; the key is made if it is missing."""
        jwk = {name: str(value) for name, value in ECAlgorithm.to_jwk(self._key().public_key(), as_dict=True).items()}
        x, y = jwk["x"], jwk["y"]
        return {"kty": "EC", "kid": _thumbprint(jwk), "alg": ALGORITHM, "crv": CURVE, "x": x, "y": y}

    def sign(self, claims: Mapping[str, object], seconds: int) -> str:
        """Return a token with claims, which lives for some seconds and has an id of its own."""
        now = int(time.time())
        times = {"iat": now, "exp": now + seconds, "jti": str(uuid.uuid4())}
        headers = {"typ": "JWT", "kid": self.public_key()["kid"]}
        return jwt.encode({**times, **claims}, self._key(), algorithm=ALGORITHM, headers=headers)

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
                f"Vault issued no client certificate for {self.name} of {self.hospital} ({type(fault).__name__}): run "
                "`make status`, then `make up`, which declares its authority."
            ) from None
        context = ssl.create_default_context(cadata=trusted)
        context.load_cert_chain(self.certificate_file)
        return context

    @property
    def certificate_file(self) -> Path:
        """File of its certificate and key."""
        return self.folder / "client.pem"

    def _key(self) -> ec.EllipticCurvePrivateKey:
        file = self.folder / "signing.pem"
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
            held = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
            held.verify_directly_issued_by(authority)
        except (FileNotFoundError, ValueError, TypeError, InvalidSignature):
            return False
        names = [str(one.value) for one in held.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        return names == [self.name] and held.not_valid_after_utc > datetime.now(UTC) + RENEWED_BEFORE

    def _issue(self, client: hvac.Client) -> None:
        issued = client.write_data(f"{self.hospital}/pki/issue/{_ROLE}", data={"common_name": self.name})["data"]
        pem = "\n".join([issued["private_key"], issued["certificate"], ""])
        write_secret(self.certificate_file, pem.encode("ascii"))


def server_authority(client: hvac.Client, hospital: str) -> str:
    """Return the certificate of the authority of a hospital's servers, the gateway among them."""
    return _authority(client, f"{hospital}/workload-pki")


def _authority(client: hvac.Client, mount: str) -> str:
    """Return the certificate of the authority of a mount."""
    return str(client.read(f"{mount}/cert/ca")["data"]["certificate"])


def _thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the thumbprint of an EC key (RFC 7638)."""
    members: dict[str, Any] = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
