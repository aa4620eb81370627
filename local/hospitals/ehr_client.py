"""Demonstration EHR of a hospital: its tokens, its client certificate, and its entry in the stack.

The stack's overlay has its public key alone.
"""

import ssl
from dataclasses import dataclass
from typing import Any

from local.hospitals.application import Application
from local.paths import Home
from local.stack.stack import Stack

TOKEN_SECONDS = 120


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
    def application(self) -> Application:
        """Its keys; the common name of its client certificate is its name."""
        folder = self.home.root / "ehr-clients" / self.hospital
        return Application(self.home, self.hospital, f"{self.hospital}-ehr", folder)

    @property
    def issuer(self) -> str:
        """Claim ``iss`` of its tokens."""
        return f"https://ehr.{self.hospital}.example"

    def entry(self) -> dict[str, Any]:
        """Return the section ``ehr`` of the hospital's entry, with the public key; the key is made if it is missing."""
        own = self.application
        return {"application": own.name, "issuer": self.issuer, "keys": [own.public_key()]}

    def token(self, audience: str) -> str:
        """Return a signed token for an address, as CDS Hooks 2.0 describes it; it is good for one call."""
        return self.application.sign({"iss": self.issuer, "aud": audience}, TOKEN_SECONDS)

    def tls(self) -> ssl.SSLContext:
        """Return the context of its calls: its certificate, issued if need be, and the gateway's authority.

        Raises
        ------
        UserError
            If Vault does not answer, or does not issue the certificate.
        """
        return self.application.tls()


def declare(home: Home, stack: Stack) -> None:
    """Write the demonstration EHR of each hospital into the stack's overlay, unless its entry names an EHR."""
    own = {entry["name"] for entry in stack.declared() if entry.get("ehr")}
    for entry in stack.working():
        if entry["name"] not in own and not is_demonstration(home, entry):
            stack.set_fields(entry["name"], _fields("ehr", EhrClient(home, entry["name"]).entry()))


def is_demonstration(home: Home, entry: dict[str, Any]) -> bool:
    """Return whether the EHR of a hospital's entry is the demonstration's."""
    return _without_launch(entry) == EhrClient(home, entry["name"]).entry()


def _without_launch(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the EHR of an entry as a client of the gateway; how it launches the worklist is another's to declare."""
    return {name: value for name, value in (entry.get("ehr") or {}).items() if name != "launch"}


def _fields(name: str, value: Any) -> dict[str, str]:
    """Return nested values by their paths, as the engine writes them."""
    if isinstance(value, dict):
        return {path: text for key, part in value.items() for path, text in _fields(f"{name}.{key}", part).items()}
    if isinstance(value, list):
        return {path: text for i, part in enumerate(value) for path, text in _fields(f"{name}[{i}]", part).items()}
    return {name: str(value)}
