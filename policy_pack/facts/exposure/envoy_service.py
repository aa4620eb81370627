"""The Service by which clients reach a gateway, which Envoy Gateway makes from the GatewayClass and its EnvoyProxy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy_pack.facts.exposure.cluster_services import scheme
from policy_pack.facts.exposure.gateway_objects import named, object_namespace
from policy_pack.facts.exposure.protections import Spec
from policy_pack.facts.exposure.table import Reach
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ENVOY_PROXY, GATEWAY_CLASS
from policy_pack.stack.patches import unreviewed
from policy_pack.stack.resource_types import resource_types
from policy_pack.stack.values import View

CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
_ENVOY_GROUP = "gateway.envoyproxy.io"
_SERVICE = "spec.provider.kubernetes.envoyService"
# They change the proxy in ways that are not evaluated.
_NOT_EVALUATED = (
    "spec.bootstrap",
    "spec.extraArgs",
    "spec.dynamicModules",
    "spec.mergeGateways",
    "spec.mergeType",
    "spec.provider.kubernetes.envoyDeployment.initContainers",
    "spec.provider.kubernetes.envoyDaemonSet.patch",
    f"{_SERVICE}.patch",
)


@dataclass(frozen=True)
class Proxy:
    """The proxy of a gateway.

    Parameters
    ----------
    reach, why
        Where its clients can be, and the property that decides it.
    spec
        The spec of its EnvoyProxy; empty where there is none.
    unsupported
        Settings of the proxy that are not evaluated.
    """

    reach: Reach
    why: str
    spec: Spec
    unsupported: tuple[str, ...]


def proxy_of(gateway: Resource, graph: Graph) -> Proxy:
    """Return the proxy of a gateway; what cannot be found in the stack can be reached from the internet."""
    name = gateway.at("spec.gatewayClassName").text()
    gateway_class = named(graph, GATEWAY_CLASS, "", name)
    if gateway_class is None:
        return Proxy(Reach.INTERNET, f"GatewayClass {name} is not in this stack", {}, ())
    controller = gateway_class.at("spec.controllerName").text()
    if controller != CONTROLLER:
        return Proxy(Reach.INTERNET, f"controller {controller} does not apply Envoy Gateway's policies", {}, ())
    envoy_proxy = _envoy_proxy(gateway, gateway_class, graph)
    settings = View(envoy_proxy.props if envoy_proxy else {})
    provider = settings.at("spec.provider.type").text()
    if provider not in ("", "Kubernetes"):
        return Proxy(Reach.INTERNET, f"the provider {provider} of EnvoyProxy is not evaluated", {}, ())
    reach, why = _reach(gateway, settings.at(_SERVICE))
    unsupported = tuple(f"has {path} of EnvoyProxy, which is not evaluated" for path in _present(settings))
    return Proxy(reach, why, settings.at("spec").value or {}, unsupported)


def _envoy_proxy(gateway: Resource, gateway_class: Resource, graph: Graph) -> Resource | None:
    """Return the EnvoyProxy of the gateway itself, or else of its class."""
    own, shared = gateway.at("spec.infrastructure.parametersRef"), gateway_class.at("spec.parametersRef")
    reference = shared if own.absent else own
    if (reference.at("group").text(), reference.at("kind").text()) != (_ENVOY_GROUP, "EnvoyProxy"):
        return None
    namespace = object_namespace(gateway, graph) if reference is own else reference.at("namespace").text()
    return named(graph, ENVOY_PROXY, namespace, reference.at("name").text())


def _present(settings: View) -> Iterator[str]:
    for path in _NOT_EVALUATED:
        if not settings.at(path).absent and settings.at(path).value is not False:
            yield path
    for path, containers in resource_types().kubernetes[ENVOY_PROXY.removeprefix("k8s:")].patched.items():
        yield from (view.path for view in unreviewed(settings.at(path), containers))


def _reach(gateway: Resource, service: View) -> tuple[Reach, str]:
    if not gateway.at("spec.addresses").absent:
        return Reach.INTERNET, "spec.addresses of the Gateway are external IP addresses"
    kind = service.at("type").text() or "LoadBalancer"
    if kind == "ClusterIP":
        return Reach.CLUSTER, ""
    if kind != "LoadBalancer":
        return Reach.INTERNET, f"envoyService.type {kind} opens a port of every node"
    own: Mapping[str, Any] = gateway.at("spec.infrastructure.annotations").whole() or {}
    annotations = {**own, **(service.at("annotations").whole() or {})}
    return scheme(annotations, service.at("loadBalancerClass").text())
