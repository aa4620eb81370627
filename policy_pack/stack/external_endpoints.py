"""Where the servers outside the zones are, read from a stack's configuration as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from policy_pack.stack import stack_config

# Of what only calls in, the flow's own port counts.
_ANY_PORT = 0
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Place:
    """A network and the port that is called there."""

    network: str
    port: int


@dataclass(frozen=True)
class Addresses:
    """Each endpoint's place.

    Parameters
    ----------
    shared
        By endpoint, for all hospitals.
    own
        By hospital and endpoint.
    unused
        Endpoints that a hospital does not have, such as the FHIR server of one that hands over files.
    """

    shared: Mapping[str, Place]
    own: Mapping[tuple[str, str], Place]
    unused: frozenset[tuple[str, str]] = frozenset()

    def of(self, hospital: str, endpoint: str) -> Place | None:
        """Return where a hospital finds an endpoint."""
        return self.own.get((hospital, endpoint)) or self.shared.get(endpoint)


def read(config: Mapping[str, Any]) -> Addresses:
    """Return the addresses that a stack's configuration tells; keys with or without the project's name."""
    plain = stack_config.combined({}, config)
    shared = {
        name: place
        for name, given in (plain.get("endpoints") or {}).items()
        if name != "kubernetes" and (place := _place(given.get("url", ""), given.get("network")))
    }
    vpc = (plain.get("networks") or {}).get("vpc")
    if vpc and "aws" not in shared:
        shared["aws"] = Place(str(ip_network(vpc)), 443)
    gateway = plain.get("gateway") or {}
    issuer = _place(gateway.get("jwksUri", ""), gateway.get("network"))
    if issuer:
        shared["issuer"] = issuer
    own, unused = {}, set()
    for hospital in plain.get("hospitals") or ():
        # The gateway's controller is pods of a namespace, never a network.
        unused |= {(hospital["name"], name) for name in ("gateway-control", *(() if issuer else ("issuer",)))}
        if gateway and hospital.get("network"):
            own[hospital["name"], "clinic"] = Place(str(ip_network(hospital["network"])), _ANY_PORT)
        fhir = hospital.get("fhir") or {}
        if "path" in fhir:
            unused.add((hospital["name"], "fhir"))
        place = _place(fhir.get("url", ""), hospital.get("network"))
        if place:
            own[hospital["name"], "fhir"] = place
    return Addresses(shared, own, frozenset(unused))


def read_file(path: Path) -> Addresses:
    """Return the addresses that a stack's file (``Pulumi.<stack>.yaml``) and the overlay beside it tell."""
    return read(stack_config.of_file(path))


def _place(url: str, network: str | None) -> Place | None:
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 443)
    if network:
        return Place(str(ip_network(network)), port)
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        return None
    return Place(f"{address}/{address.max_prefixlen}", port)
