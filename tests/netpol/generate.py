"""Random clusters and policies, the same for the same seed."""

import random
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

PORTS = (7000, 7001, 7005, 7010)
PROTOCOLS = ("TCP", "UDP", "SCTP")
NAMES = ("web", "api", "side")
NAMESPACES = ("red", "green", "blue")
LABELS = {"app": ("a", "b", "c"), "tier": ("front", "back")}
NAMESPACE_LABELS = {"zone": ("x", "y"), "team": ("p", "q")}


def _labels(rng: random.Random, choices: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {key: rng.choice(values) for key, values in choices.items() if rng.random() < 0.75}


def namespaces(rng: random.Random) -> list[Json]:
    """Return the namespaces, with labels."""
    return [{"metadata": {"uid": f"n-{n}", "name": n, "labels": _labels(rng, NAMESPACE_LABELS)}} for n in NAMESPACES]


def pod(rng: random.Random, name: str, namespace: str, address: str) -> Json:
    """Return a running pod whose containers, one of them a sidecar, name some of their ports."""

    def container(names: tuple[str, ...]) -> Json:
        picked = [n for n in names if rng.random() < 0.8]
        return {
            "ports": [
                {"name": n, "containerPort": rng.choice(PORTS), "protocol": rng.choice(PROTOCOLS)} for n in picked
            ]
        }

    return {
        "metadata": {"uid": f"p-{name}", "name": name, "namespace": namespace, "labels": _labels(rng, LABELS)},
        "spec": {
            "containers": [container(("web", "api"))],
            "initContainers": [{**container(("side",)), "restartPolicy": "Always"}, container(("web",))],
        },
        "status": {"phase": "Running", "podIP": address},
    }


def selector(rng: random.Random, choices: Mapping[str, tuple[str, ...]]) -> Json:
    """Return a label selector: often empty, sometimes by label, sometimes by expressions."""
    kind = rng.choice(("empty", "labels", "expressions", "expressions", "both"))
    result: Json = {}
    if kind in ("labels", "both"):
        key = rng.choice(sorted(choices))
        result["matchLabels"] = {key: rng.choice(choices[key])}
    if kind in ("expressions", "both"):
        key = rng.choice(sorted(choices))
        operator = rng.choice(("In", "NotIn", "Exists", "DoesNotExist"))
        entry: Json = {"key": key, "operator": operator}
        if operator in ("In", "NotIn"):
            entry["values"] = rng.sample(choices[key], rng.randint(1, len(choices[key])))
        result["matchExpressions"] = [entry]
    return result


def _block(rng: random.Random, addresses: list[str]) -> Json:
    address = rng.choice(addresses)
    neighbours = address.rsplit(".", 1)[0]
    kind = rng.choice(("everywhere", "neighbours", "alone"))
    if kind == "alone":
        return {"ipBlock": {"cidr": f"{address}/32"}}
    within = addresses if kind == "everywhere" else [a for a in addresses if a.startswith(f"{neighbours}.")]
    block: Json = {"cidr": "0.0.0.0/0" if kind == "everywhere" else f"{neighbours}.0/24"}
    if rng.random() < 0.7:
        block["except"] = [f"{a}/32" for a in rng.sample(within, min(2, len(within)))]
        if kind == "everywhere" and rng.random() < 0.3:
            block["except"].append(f"{neighbours}.8/29")
    return {"ipBlock": block}


def _peer(rng: random.Random, addresses: list[str]) -> Json:
    kind = rng.choice(("pods", "namespaces", "both", "block"))
    if kind == "block":
        return _block(rng, addresses)
    peer: Json = {}
    if kind in ("pods", "both"):
        peer["podSelector"] = selector(rng, LABELS)
    if kind in ("namespaces", "both"):
        peer["namespaceSelector"] = selector(rng, NAMESPACE_LABELS)
    return peer


def _port(rng: random.Random) -> Json:
    port: Json = {"protocol": rng.choice(PROTOCOLS)} if rng.random() < 0.8 else {}
    kind = rng.choice(("any", "number", "range", "name", "name"))
    if kind == "number":
        port["port"] = rng.choice(PORTS)
    elif kind == "range":
        port |= {"port": rng.choice(PORTS[:2]), "endPort": rng.choice(PORTS[2:])}
    elif kind == "name":
        port["port"] = rng.choice(NAMES)
    return port


def _rule(rng: random.Random, peers: str, addresses: list[str]) -> Json:
    rule: Json = {}
    if rng.random() < 0.85:
        rule[peers] = [_peer(rng, addresses) for _ in range(rng.randint(0, 2))]
    if rng.random() < 0.65:
        rule["ports"] = [_port(rng) for _ in range(rng.randint(0, 3))]
    return rule


def policy(rng: random.Random, number: int, addresses: list[str]) -> Json:
    """Return a policy, with or without ``policyTypes``."""
    spec: Json = {"podSelector": selector(rng, LABELS)}
    if rng.random() < 0.75:
        spec["ingress"] = [_rule(rng, "from", addresses) for _ in range(rng.randint(0, 2))]
    if rng.random() < 0.6:
        spec["egress"] = [_rule(rng, "to", addresses) for _ in range(rng.randint(0, 3))]
    types = rng.choice((None, ["Ingress"], ["Egress"], ["Ingress", "Egress"]))
    if types:
        spec["policyTypes"] = types
    meta = {"uid": f"np-{number}", "name": f"policy-{number}", "namespace": rng.choice(NAMESPACES)}
    return {"metadata": meta, "spec": spec}
