"""SPIFFE identities of workloads: the URI that a workload's certificate has as its subject alternative name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TRUST_DOMAIN = "hmlops"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_URI = re.compile(rf"spiffe://{TRUST_DOMAIN}/(?P<hospital>{_LABEL})/(?P<service_account>{_LABEL})")
_ALTERNATIVE_NAMES = "subjectAltName"


@dataclass(frozen=True)
class SpiffeId:
    """Identity of a workload: the ServiceAccount of one hospital.

    Examples
    --------
    >>> SpiffeId.parse("spiffe://hmlops/north/planner")
    SpiffeId(hospital='north', service_account='planner')
    >>> str(SpiffeId("north", "planner"))
    'spiffe://hmlops/north/planner'
    """

    hospital: str
    service_account: str

    def __str__(self) -> str:
        return f"spiffe://{TRUST_DOMAIN}/{self.hospital}/{self.service_account}"

    @classmethod
    def parse(cls, uri: str) -> "SpiffeId":
        """Return the identity that a URI names.

        Raises
        ------
        ValueError
            If the URI is not one of this trust domain's workloads.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            raise ValueError(
                f"{uri!r} is not a workload's identity; write spiffe://{TRUST_DOMAIN}/HOSPITAL/SERVICEACCOUNT"
            )
        return cls(match["hospital"], match["service_account"])


def certificate_identity(certificate: Mapping[str, Any] | None) -> SpiffeId | None:
    """Return the identity in a verified certificate, or None if it has none.

    An X.509-SVID has exactly one URI, so a certificate with several has no identity here.

    Parameters
    ----------
    certificate
        The result of ``ssl.SSLSocket.getpeercert()``.
    """
    names = (certificate or {}).get(_ALTERNATIVE_NAMES, ())
    uris = [value for kind, value in names if kind == "URI"]
    if len(uris) != 1:
        return None
    try:
        return SpiffeId.parse(uris[0])
    except ValueError:
        return None
