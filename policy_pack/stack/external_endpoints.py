"""Addresses of external endpoints and audit devices of Vault, read from the configuration of a stack."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from policy_pack.errors import PackError
from policy_pack.stack import audit_devices, hospital_entries, stack_config
from policy_pack.stack.audit_devices import AuditDevice
from policy_pack.stack.hospital_entries import HospitalEntry
from policy_pack.stack.live import Live

# An endpoint that only connects to workloads has no port; the port is that of the flow.
_ANY_PORT = 0
_PORTS = {"https": 443, "http": 80, "postgresql": 5432}
_HTTPS = _PORTS["https"]


@dataclass(frozen=True)
class Endpoint:
    """The network and the port of an external endpoint."""

    network: str
    port: int


@dataclass(frozen=True)
class TrustedIssuer:
    """An issuer whose tokens a hospital's gateway accepts.

    Parameters
    ----------
    issuer
        Claim `iss`.
    audiences
        Claim `aud`; one that ends in `/` stands for the URLs below it.
    keys
        URL of the signing keys, or the keys themselves.
    claims
        Claims that a request must have, each with the values that are allowed.
    sign_in
        Whether people sign in there.
    sign_in_urls
        URLs at which they do, by the field of a SecurityPolicy that has them.
    models
        Claims of the requests to a further model of the hospital, by its name.
    """

    issuer: str
    audiences: tuple[str, ...]
    keys: Any
    claims: Mapping[str, tuple[str, ...]]
    sign_in: bool = False
    sign_in_urls: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def claims_for(self, model: str) -> Mapping[str, tuple[str, ...]] | None:
        """Return the claims of requests that ask a further model, or none (``""``); None: no such one."""
        return self.models.get(model) if model else self.claims


@dataclass(frozen=True)
class TokenSettings:
    """The tokens that gateways accept, by hospital."""

    issuers: Mapping[str, tuple[TrustedIssuer, ...]]

    def of(self, hospital: str) -> tuple[TrustedIssuer, ...]:
        """Return the issuers of a hospital."""
        return self.issuers.get(hospital, ())


@dataclass(frozen=True)
class Addresses:
    """The addresses of external endpoints.

    Parameters
    ----------
    shared
        By endpoint, for all hospitals.
    by_hospital
        By hospital and endpoint.
    unused
        Endpoints that a hospital does not have, such as the FHIR server of one that delivers files.
    audit_devices
        The audit devices of the Vault server, as declared.
    live
        What was read from the servers; None where none was asked.
    tokens
        The tokens that gateways accept; None where the configuration does not have them.
    vault
        The URL of Vault; empty where the configuration does not have it.
    pods
        The network of pods, which is that of the VPC on EKS; empty where the configuration does not have it.
    networks
        The VPC and the networks that are peered with it; empty where the stack has no VPC.
    hosts
        The hosts of the configuration's URLs, and the gateway's domain; empty where the configuration has none.
    alarms
        The address to which alarms are sent; empty where the configuration does not have it.
    entries
        What the configuration says of each hospital.
    """

    shared: Mapping[str, Endpoint]
    by_hospital: Mapping[tuple[str, str], Endpoint]
    unused: frozenset[tuple[str, str]] = frozenset()
    audit_devices: tuple[AuditDevice, ...] = ()
    live: Live | None = None
    tokens: TokenSettings | None = None
    vault: str = ""
    pods: str = ""
    networks: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()
    alarms: str = ""
    entries: Mapping[str, HospitalEntry] = field(default_factory=dict)

    def linked(self) -> frozenset[str]:
        """Return the VPC and the networks that may reach it: peered ones, and those of external endpoints."""
        ends = (*self.shared.values(), *self.by_hospital.values())
        return frozenset((*self.networks, *(end.network for end in ends))) if self.networks else frozenset()

    def of(self, hospital: str, endpoint: str) -> Endpoint | None:
        """Return the address of an endpoint for a hospital."""
        return self.by_hospital.get((hospital, endpoint)) or self.shared.get(endpoint)


def read(config: Mapping[str, Any]) -> Addresses:
    """Return the addresses in a stack's configuration; its keys may have the prefix of the project.

    Raises
    ------
    PackError
        When a value has another form than the configuration of a stack.
    """
    try:
        return _addresses(stack_config.merged({}, config))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise PackError(
            "The configuration of the stack has an invalid endpoint, network, gateway or hospital; correct it as in "
            "docs/settings.md."
        ) from None


def _addresses(settings: Mapping[str, Any]) -> Addresses:
    shared = {
        name: endpoint
        for name, endpoint_settings in (settings.get("endpoints") or {}).items()
        if name != "kubernetes"
        and (endpoint := _endpoint(endpoint_settings.get("url", ""), endpoint_settings.get("network")))
    }
    networks = settings.get("networks") or {}
    vpc = networks.get("vpc")
    if vpc and "aws" not in shared:
        shared["aws"] = Endpoint(str(ip_network(vpc)), 443)
    if vpc and "postgresql" not in shared:
        shared["postgresql"] = Endpoint(str(_without_nodes(vpc)), _PORTS["postgresql"])
    gateway = settings.get("gateway") or {}
    issuer = _endpoint(gateway.get("jwksUri", ""), gateway.get("network"))
    if issuer:
        shared["issuer"] = issuer
    absent = [name for name in ("issuer", "postgresql") if name not in shared]
    by_hospital, unused = {}, set()
    for hospital in settings.get("hospitals") or ():
        # The controller of the gateway is pods of a namespace, never a network.
        unused |= {(hospital["name"], name) for name in ("gateway-control", *absent)}
        if gateway and hospital.get("network"):
            by_hospital[hospital["name"], "clinic"] = Endpoint(str(ip_network(hospital["network"])), _ANY_PORT)
        fhir = hospital.get("fhir") or {}
        if "path" in fhir:
            unused.add((hospital["name"], "fhir"))
        people = hospital.get("signIn") or {}
        servers = {
            "fhir": _endpoint(fhir.get("url", ""), hospital.get("network")),
            "sign-in": _endpoint(people.get("issuer", ""), people.get("network")),
        }
        by_hospital |= {(hospital["name"], name): endpoint for name, endpoint in servers.items() if endpoint}
        if not servers["sign-in"]:
            unused.add((hospital["name"], "sign-in"))
    vault = ((settings.get("endpoints") or {}).get("vault") or {}).get("url", "")
    return Addresses(
        shared,
        by_hospital,
        frozenset(unused),
        audit_devices.read(settings),
        tokens=_tokens(gateway, settings.get("hospitals") or ()),
        vault=vault,
        pods=str(networks.get("pods") or vpc or ""),
        networks=(str(vpc), *(str(peer["network"]) for peer in networks.get("peers") or ())) if vpc else (),
        hosts=frozenset(filter(None, (*_hosts(settings), gateway.get("domain")))),
        alarms=str(settings.get("alarms") or ""),
        entries=hospital_entries.read(settings),
    )


def _hosts(value: Any) -> Iterator[str]:
    """Return the hosts of the URLs in a configuration."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _hosts(item)
    elif isinstance(value, str) and "://" in value:
        yield urlsplit(value).hostname or ""


def _without_nodes(vpc: str) -> IPv4Network:
    """Return the last quarter of a VPC, in which databases are: the other three have the nodes and pods."""
    return list(IPv4Network(vpc).subnets(prefixlen_diff=2))[-1]


def _tokens(gateway: Mapping[str, Any], hospitals: Iterable[Mapping[str, Any]]) -> TokenSettings | None:
    if not gateway.get("issuer"):
        return None
    return TokenSettings({entry["name"]: tuple(_issuers(gateway, entry)) for entry in hospitals})


def _issuers(gateway: Mapping[str, Any], hospital: Mapping[str, Any]) -> Iterator[TrustedIssuer]:
    """Return the issuers of a hospital: of its programs' access tokens, its EHR, and the provider of its people."""
    name = str(hospital["name"])
    yield TrustedIssuer(
        gateway["issuer"],
        (gateway.get("audience", ""),),
        gateway.get("jwksUri", ""),
        _clients(hospital),
        models={str(model["name"]): _clients(model) for model in hospital.get("models") or ()},
    )
    ehr = hospital.get("ehr") or {}
    if ehr:
        port = gateway.get("port", _HTTPS)
        url = f"https://{name}.api.{gateway.get('domain', '')}{'' if port == _HTTPS else f':{port}'}/cds-services"
        keys = [{"use": "sig", **key} for key in ehr.get("keys") or ()]
        yield TrustedIssuer(ehr["issuer"], (url, f"{url}/"), {"keys": keys}, {"iss": (ehr["issuer"],)})
    people = hospital.get("signIn") or {}
    if people:
        claims = {"hospital": (name,), "acr": tuple(people.get("secondFactor") or ("2",))}
        keys_url, audience = people.get("jwksUri", ""), people.get("audience", "")
        urls = {"authorizationEndpoint": people["authorizationUri"], "tokenEndpoint": people["tokenUri"]}
        yield TrustedIssuer(people.get("issuer", ""), (audience,), keys_url, claims, sign_in=True, sign_in_urls=urls)


def _clients(entry: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the claims of the programs of a hospital's entry, or of a further model in it."""
    return {"client_id": tuple(entry.get("applications") or ())}


def read_file(path: Path) -> Addresses:
    """Return the addresses in a stack's file (``Pulumi.<stack>.yaml``) and in its overlay."""
    return read(stack_config.of_file(path))


def _endpoint(url: str, network: str | None) -> Endpoint | None:
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 443)
    if network:
        return Endpoint(str(ip_network(network)), port)
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        return None
    return Endpoint(f"{address}/{address.max_prefixlen}", port)
