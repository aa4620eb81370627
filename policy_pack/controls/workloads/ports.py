"""Ports of Services and containers."""

from policy_pack.controls.rules import context_check, join_check
from policy_pack.facts.network.selectors import matches_labels
from policy_pack.stack.checks import Findings, StackContext, expect
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import SERVICE
from policy_pack.stack.pods import CONTAINER_OWNERS, POD_OWNERS, Pod, namespace, pods
from policy_pack.stack.values import NotKnownError, View


@context_check("CM-05", SERVICE)
def service_ports_are_allowed(service: Resource, context: StackContext) -> Findings:
    """Refuse Service ports of remote shells, plain-text protocols and management interfaces."""
    for port in service.at("spec.ports").items():
        yield from _port(port.at("port"), context)
        yield from _port(port.at("targetPort"), context)


@context_check("CM-05", *CONTAINER_OWNERS)
def container_ports_are_allowed(resource: Resource, context: StackContext) -> Findings:
    """Refuse the same container ports."""
    for pod in pods(resource):
        for container in pod.containers:
            for port in container.view.at("ports").items():
                yield from _port(port.at("containerPort"), context)


def _port(view: View, context: StackContext) -> Findings:
    denied = context.settings.services.denied_ports
    yield from expect(view, lambda port: port not in denied, "uses a port that is not allowed")


@join_check("CM-05", SERVICE)
def service_targets_are_declared(service: Resource, context: StackContext) -> Findings:
    """Refuse a target port that no container of the selected pods declares, where the stack declares such pods."""
    selector = service.at("spec.selector").whole() or {}
    declared_ports: set[object] = set()
    for pod in context.graph.memo("pods by namespace", _by_namespace).get(namespace(service).text(), ()):
        labels = pod.labels.whole() or {}
        if selector and matches_labels(selector, labels):
            ports = [port for container in pod.containers for port in container.view.at("ports").items()]
            declared_ports |= {port.at(field).value for port in ports for field in ("containerPort", "name")}
    for port in service.at("spec.ports").items() if declared_ports else ():
        target = port.at("targetPort")
        if target.known and target.raw is None:
            target = port.at("port")
        yield from expect(target, lambda value: value in declared_ports, "targets a port that no container declares")


def _by_namespace(graph: Graph) -> dict[str, list[Pod]]:
    by_namespace: dict[str, list[Pod]] = {}
    for resource in graph.of(*POD_OWNERS):
        try:
            by_namespace.setdefault(namespace(resource).text(), []).extend(pods(resource))
        except NotKnownError:
            continue
    return by_namespace
