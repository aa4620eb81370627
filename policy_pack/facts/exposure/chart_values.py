"""Entry points that the values of a Helm chart switch on, by the names that charts give them."""

from collections.abc import Iterator
from typing import Any

from policy_pack.facts.exposure.entry_points import EntryPoint
from policy_pack.facts.exposure.table import Reach
from policy_pack.stack.graph import Resource
from policy_pack.stack.text import known_text
from policy_pack.stack.values import UNKNOWN, leaves

_SERVICE_TYPES = ("LoadBalancer", "NodePort", "ExternalName")
# Parts of a chart that lead clients to it, which `enabled` switches on.
_ROUTES = frozenset({"ingress", "gateway", "route", "httproute", "grpcroute", "tlsroute", "virtualservice"})


def chart_values(chart: Resource) -> Iterator[EntryPoint]:
    """Return the Services, Ingresses, routes and ports of nodes that the values of a chart switch on."""
    namespace = known_text(chart.at("namespace"))
    for path, value in leaves(chart.at("values").value or {}, "values"):
        kind = "" if value is UNKNOWN else _kind(path, value)
        if kind:
            label = f"chart {chart.name}, {path} {value}"
            yield EntryPoint(kind, chart, label, Reach.INTERNET, "", namespace, path)


def _kind(path: str, value: Any) -> str:
    """Return the kind of entry point that a value switches on; empty for other values."""
    *above, name = path.lower().split(".")
    if (name == "type" and value in _SERVICE_TYPES) or (name.startswith("externalips[") and value):
        return "service"
    if name == "enabled" and above[-1] in _ROUTES and value in (True, "true"):
        return "ingress"
    switched_on = value not in (None, False, 0, "", "false")
    on_node = name in ("hostnetwork", "hostport") or (name == "enabled" and above[-1] in ("hostnetwork", "hostport"))
    return "host-port" if on_node and switched_on else ""
