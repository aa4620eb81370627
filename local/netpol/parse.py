"""Strict parser of NetworkPolicy objects.

A value that the API does not define, such as one of a later version, has an unknown meaning: the policy then denies all
traffic of its pods, in its policyTypes if these are valid and otherwise in both directions.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Any

from local.netpol.model import (
    LAST_PORT,
    PROTOCOLS,
    Block,
    Direction,
    Json,
    Peers,
    Policy,
    Port,
    Requirement,
    Rule,
    Selector,
)

_PEERS = {Direction.INGRESS: "from", Direction.EGRESS: "to"}
_WITH_VALUES, _WITHOUT_VALUES = ("In", "NotIn"), ("Exists", "DoesNotExist")
# The length of a mapped IPv4 network's prefix beyond the IPv4 network's own.
_MAPPED = 96


class UndefinedError(ValueError):
    """Error: a field has a value that the API does not define."""


def parse_policy(source: Json) -> Policy:
    """Read a NetworkPolicy, with the API's defaults for ``policyTypes``; an undefined one is returned closed."""
    meta, spec = source["metadata"], source.get("spec") or {}
    try:
        return _parse(meta, spec)
    except (UndefinedError, TypeError, AttributeError) as error:
        problem = str(error) if isinstance(error, UndefinedError) else f"a field has a wrong type ({error})"
        return _unclear(meta, spec, problem)


def _parse(meta: Json, spec: Json) -> Policy:
    _known(spec, "spec", "podSelector", "policyTypes", "ingress", "egress")
    rules = {
        direction: tuple(_rule(rule, _PEERS[direction]) for rule in spec.get(direction.value.lower()) or ())
        for direction in _directions(spec)
    }
    return Policy(meta["namespace"], meta["name"], parse_selector(spec.get("podSelector")), rules, meta.get("uid", ""))


def _unclear(meta: Json, spec: Any, problem: str) -> Policy:
    try:
        pods = parse_selector(spec.get("podSelector"))
    except (UndefinedError, TypeError, AttributeError):
        pods = Selector()
    try:
        directions = _directions(spec)
    except (UndefinedError, TypeError, AttributeError):
        directions = tuple(Direction)
    return Policy(meta["namespace"], meta["name"], pods, dict.fromkeys(directions, ()), meta.get("uid", ""), problem)


def _directions(spec: Json) -> tuple[Direction, ...]:
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for name in types:
        if name not in ("Ingress", "Egress"):
            raise UndefinedError(f"policyTypes has {name!r}, which is neither Ingress nor Egress")
    return tuple(direction for direction in Direction if direction.value in types)


def parse_selector(source: Json | None) -> Selector:
    """Read a label selector.

    Raises
    ------
    UndefinedError
        If an operator is unknown, or its values are missing or too many.
    """
    source = source or {}
    _known(source, "a selector", "matchLabels", "matchExpressions")
    equal = [Requirement(key, "In", frozenset({value})) for key, value in (source.get("matchLabels") or {}).items()]
    return Selector((*equal, *map(_requirement, source.get("matchExpressions") or ())))


def _requirement(source: Json) -> Requirement:
    _known(source, "matchExpressions", "key", "operator", "values")
    key, operator, values = source.get("key"), source.get("operator"), source.get("values") or ()
    if not isinstance(key, str):
        raise UndefinedError("matchExpressions has an entry without a key")
    if operator not in (*_WITH_VALUES, *_WITHOUT_VALUES):
        raise UndefinedError(f"the selector's operator {operator!r} is unknown")
    if bool(values) != (operator in _WITH_VALUES):
        raise UndefinedError(f"the selector's operator {operator} has {'' if values else 'no '}values")
    return Requirement(key, operator, frozenset(values))


def _rule(source: Json, peers: str) -> Rule:
    _known(source, "a rule", peers, "ports")
    # Pods have only IPv4 addresses: an ipBlock of IPv6 addresses matches none of them.
    return Rule(
        peers=tuple(filter(None, map(_peer, source[peers]))) if source.get(peers) else None,
        ports=tuple(map(_port, source["ports"])) if source.get("ports") else None,
    )


def _peer(source: Json) -> Peers | Block | None:
    _known(source, "a peer", "ipBlock", "namespaceSelector", "podSelector")
    block, namespaces, pods = (source.get(name) for name in ("ipBlock", "namespaceSelector", "podSelector"))
    if block is None:
        if namespaces is None and pods is None:
            raise UndefinedError("a peer has neither a selector nor an ipBlock")
        return Peers(None if namespaces is None else parse_selector(namespaces), parse_selector(pods))
    if namespaces is not None or pods is not None:
        raise UndefinedError("a peer has an ipBlock and a selector")
    return _block(block)


def _block(source: Json) -> Block | None:
    _known(source, "an ipBlock", "cidr", "except")
    network = _network(source.get("cidr"))
    if isinstance(network, IPv6Network):
        return None
    excluded = [_as_ipv4(_network(cidr)) for cidr in source.get("except") or ()]
    return Block(network, tuple(excluded))


def _network(text: Any) -> IPv4Network | IPv6Network:
    """Read a CIDR range as the API server does, which accepts leading zeros and host bits."""
    address, slash, length = str(text).partition("/")
    if ":" not in address:
        address = ".".join(part.lstrip("0") or "0" for part in address.split("."))
    try:
        return ip_network(f"{address}{slash}{length}", strict=False)
    except ValueError:
        raise UndefinedError(f"{text!r} is not a CIDR block") from None


def _as_ipv4(network: IPv4Network | IPv6Network) -> IPv4Network:
    if isinstance(network, IPv4Network):
        return network
    mapped = network.network_address.ipv4_mapped
    if mapped is None or network.prefixlen < _MAPPED:
        raise UndefinedError(f"the exception {network} is not in an IPv4 CIDR block")
    return IPv4Network((IPv4Address(mapped), network.prefixlen - _MAPPED))


def _port(source: Json) -> Port:
    _known(source, "a port", "protocol", "port", "endPort")
    protocol, port, end = source.get("protocol") or "TCP", source.get("port"), source.get("endPort")
    if protocol not in PROTOCOLS:
        raise UndefinedError(f"the protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    if port is None and end is None:
        return Port(protocol)
    if isinstance(port, str) and port and end is None:
        return Port(protocol, name=port)
    first, last = _number(port), _number(port if end is None else end)
    if last < first:
        raise UndefinedError(f"endPort {last} is less than port {first}")
    return Port(protocol, first, last)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LAST_PORT:
        raise UndefinedError(f"{value!r} is not a port number")
    return value


def _known(source: Json, where: str, *fields: str) -> None:
    unknown: Iterable[str] = sorted(set(source) - set(fields))
    if unknown:
        raise UndefinedError(f"{where} has the unknown field {', '.join(map(repr, unknown))}")
