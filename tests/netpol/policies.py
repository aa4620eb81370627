"""NetworkPolicies with every field that the API allows, and with values that it does not define."""

import string
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

_ALNUM = string.ascii_lowercase + string.digits
NAMESPACES = ("n", "m" * 63)
_VALUES = ("", "a", "Z" + "._-x" * 15 + "9")
_KEYS = ("app", "k" * 63, "d" * 63 + "." + "e" * 63 + "." + "f" * 63 + "." + "g" * 61 + "/name")


def _label() -> st.SearchStrategy[str]:
    part = st.text(_ALNUM + "-", min_size=1, max_size=63)
    return part.map(lambda text: "a" + text[1:-1] + "z" if len(text) > 1 else "a")


def _name() -> st.SearchStrategy[str]:
    """Names up to the API's 253 characters."""
    return st.lists(_label(), min_size=1, max_size=6).map(lambda parts: ".".join(parts)[:253].rstrip(".-"))


labels = st.dictionaries(st.sampled_from(_KEYS), st.sampled_from(_VALUES))
_requirements: st.SearchStrategy[Json] = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(_KEYS),
            "operator": st.sampled_from(("In", "NotIn")),
            "values": st.lists(st.sampled_from(_VALUES), min_size=1),
        }
    ),
    st.fixed_dictionaries(
        {"key": st.sampled_from(_KEYS), "operator": st.sampled_from(("Exists", "DoesNotExist"))},
        optional={"values": st.sampled_from((None, []))},
    ),
)
selectors = st.fixed_dictionaries(
    {}, optional={"matchLabels": st.none() | labels, "matchExpressions": st.none() | st.lists(_requirements)}
)


@st.composite
def _blocks(draw: st.DrawFn) -> Json:
    """A range of either family, with exceptions that lie within it."""
    six = draw(st.booleans())
    width = 128 if six else 32
    length = draw(st.integers(0, width - 1))
    start = draw(st.integers(0, 2**length - 1)) << (width - length)
    block: Json = {"cidr": f"{_address(start, six)}/{length}"}
    if draw(st.booleans()):
        block["except"] = []
        for _ in range(draw(st.integers(0, 3))):
            more = draw(st.integers(length + 1, width))
            inner = start + (draw(st.integers(0, 2 ** (more - length) - 1)) << (width - more))
            block["except"].append(f"{_address(inner, six)}/{more}")
    return block


def _address(number: int, six: bool) -> str:
    if six:
        return ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))
    return ".".join(str(number >> shift & 0xFF) for shift in (24, 16, 8, 0))


_peers = st.one_of(
    _blocks().map(lambda block: {"ipBlock": block}),
    selectors.map(lambda some: {"podSelector": some}),
    selectors.map(lambda some: {"namespaceSelector": some}),
    st.fixed_dictionaries({"podSelector": selectors, "namespaceSelector": selectors}),
)


@st.composite
def _ports(draw: st.DrawFn) -> Json:
    port: Json = draw(st.fixed_dictionaries({}, optional={"protocol": st.sampled_from((None, "TCP", "UDP", "SCTP"))}))
    match draw(st.sampled_from(("any", "number", "range", "name"))):
        case "number":
            port["port"] = draw(st.integers(1, 65535))
        case "range":
            port["port"] = draw(st.integers(1, 65535))
            port["endPort"] = draw(st.integers(port["port"], 65535))
        case "name":
            port["port"] = draw(st.sampled_from(("web", "a-15-characters", "nobody")))
    return port


def _rules(peers: str) -> st.SearchStrategy[list[Json]]:
    rule = st.fixed_dictionaries(
        {},
        optional={peers: st.none() | st.lists(_peers, max_size=4), "ports": st.none() | st.lists(_ports(), max_size=4)},
    )
    return st.lists(rule, max_size=3)


def policies(uid: str = "u") -> st.SearchStrategy[Json]:
    """Return policies as the API server may store them."""
    spec = st.fixed_dictionaries(
        {"podSelector": selectors},
        optional={
            "policyTypes": st.sampled_from((None, [], ["Ingress"], ["Egress"], ["Ingress", "Egress"])),
            "ingress": st.none() | _rules("from"),
            "egress": st.none() | _rules("to"),
        },
    )
    meta = st.fixed_dictionaries({"namespace": st.sampled_from(NAMESPACES), "name": _name(), "uid": st.just(uid)})
    return st.fixed_dictionaries({"metadata": meta, "spec": spec})


def _ingress(**rule: Any) -> Json:
    return {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [rule]}


def _about(**expression: Any) -> Json:
    return {"podSelector": {"matchExpressions": [expression]}, "policyTypes": ["Ingress"], "ingress": [{}]}


# What a specification says that the API does not define, with the directions that it names all the same.
UNDEFINED: tuple[tuple[Any, tuple[str, ...]], ...] = (
    ({"podSelector": {}, "policyTypes": ["Forward"], "ingress": [{}]}, ("Ingress", "Egress")),
    ({"podSelector": {}, "policyTypes": "Ingress", "ingress": [{}]}, ("Ingress", "Egress")),
    ({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}], "audit": True}, ("Egress",)),
    ({"podSelector": {}, "ingress": {"from": []}}, ("Ingress",)),
    ({"podSelector": [], "ingress": [{"hosts": ["a"]}]}, ("Ingress",)),
    ("everything", ("Ingress", "Egress")),
    (_about(key="app", operator="Gt", values=["1"]), ("Ingress",)),
    (_about(key="app", operator="In", values=[]), ("Ingress",)),
    (_about(key="app", operator="Exists", values=["a"]), ("Ingress",)),
    (_about(operator="Exists"), ("Ingress",)),
    (_about(key="app", operator="In", values=[{}]), ("Ingress",)),
    ({"podSelector": {"matchLabels": ["app"]}, "ingress": [{}]}, ("Ingress",)),
    ({"podSelector": {"matchFields": []}, "ingress": [{}]}, ("Ingress",)),
    (_ingress(ports=[{"protocol": "ICMP"}]), ("Ingress",)),
    (_ingress(ports=[{"protocol": "tcp", "port": 1}]), ("Ingress",)),
    (_ingress(ports=[{"port": 0}]), ("Ingress",)),
    (_ingress(ports=[{"port": 65536}]), ("Ingress",)),
    (_ingress(ports=[{"port": -1}]), ("Ingress",)),
    (_ingress(ports=[{"port": 80.5}]), ("Ingress",)),
    (_ingress(ports=[{"port": True}]), ("Ingress",)),
    (_ingress(ports=[{"port": ""}]), ("Ingress",)),
    (_ingress(ports=[{"port": 80, "endPort": 79}]), ("Ingress",)),
    (_ingress(ports=[{"endPort": 80}]), ("Ingress",)),
    (_ingress(ports=[{"port": "web", "endPort": 80}]), ("Ingress",)),
    (_ingress(ports=[{"port": 80, "startPort": 70}]), ("Ingress",)),
    (_ingress(ports=["80"]), ("Ingress",)),
    (_ingress(ports=7), ("Ingress",)),
    (_ingress(**{"from": [{}]}), ("Ingress",)),
    (_ingress(**{"from": [{"fqdn": "example.org"}]}), ("Ingress",)),
    (_ingress(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}), ("Ingress",)),
    (_ingress(**{"from": [{"ipBlock": {}}]}), ("Ingress",)),
    (_ingress(**{"from": [{"ipBlock": {"cidr": "10.0.0/8"}}]}), ("Ingress",)),
    (_ingress(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}), ("Ingress",)),
    (_ingress(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/8"]}}]}), ("Ingress",)),
    (_ingress(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["all"]}}]}), ("Ingress",)),
    (_ingress(**{"from": [{"namespaceSelector": {"matchLabels": 5}}]}), ("Ingress",)),
    (_ingress(to=[]), ("Ingress",)),
)
