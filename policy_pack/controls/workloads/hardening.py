"""Hardened pods and nodes, and the ports that they open."""

from policy_pack.controls.rules import on, on_join, on_set, on_stack
from policy_pack.stack.checks import (
    About,
    Findings,
    between,
    empty,
    expect,
    fault,
    given,
    guarded,
    later,
    not_yes,
    one_of,
)
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import EKS, INFERENCE, NODE_GROUP, RUNTIMES, SERVICE, TEMPLATE
from policy_pack.stack.pods import CONTAINERS, SERVERS, TEMPLATES, WHOLE, containers, namespace, pod, spec
from policy_pack.stack.values import NotKnownError, View

_HOST = ("hostPID", "hostIPC", "hostNetwork")
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECCOMP = ("RuntimeDefault", "Localhost")
_LEAST_USER, _MOST_USER = 10_000, 2**31 - 1
_ADDED = ("NET_BIND_SERVICE",)


@on("CM-01", *CONTAINERS)
def pods_have_no_privileges(resource: Resource) -> Findings:
    """Hold a pod to the restricted Pod Security Standard."""
    place = spec(resource)
    for field in _HOST:
        yield from expect(place.at(field), not_yes, f"shares the node's {field.removeprefix('host')}")
    for volume in place.at("volumes").items():
        yield from guarded(_volume(volume), volume.path)
    for container in containers(resource):
        yield from guarded(_container(container, place), container.path)
    if resource.kind in WHOLE and not given(place.at("containers").raw):
        yield from _security(place.at("securityContext"), place.at("securityContext"))


def _volume(volume: View) -> Findings:
    kinds = {name for name, view in volume.fields() if view.raw is not None} - {"name"}
    for kind in sorted(kinds - _VOLUMES):
        yield fault(f"mounts a volume of kind {kind}", volume.path)


def _container(container: View, place: View) -> Findings:
    if not container.known:
        yield later(container.path)
        return
    own = container.at("securityContext")
    yield from expect(own.at("privileged"), not_yes, "a container is privileged")
    yield from expect(
        own.at("allowPrivilegeEscalation"), lambda value: value is False, "a container may gain privileges"
    )
    yield from expect(own.at("procMount"), one_of(None, "Default"), "a container sees the node's processes")
    dropped = own.at("capabilities.drop")
    yield from expect(dropped, lambda names: bool(names) and "ALL" in names, "a container keeps capabilities")
    for added in own.at("capabilities.add").items():
        yield from expect(added, one_of(*_ADDED), "a container is given capabilities")
    for port in container.at("ports").items():
        yield from expect(port.at("hostPort"), one_of(None, 0), "a container takes a port of the node")
    yield from _security(own, place.at("securityContext"))


def _security(own: View, pod_wide: View) -> Findings:
    """Yield whether a container runs as another user than root, with a filter of system calls; its own word is last."""
    root = own.at("runAsNonRoot")
    if root.known and root.raw is None:
        root = pod_wide.at("runAsNonRoot")
    yield from expect(root, lambda value: value is True, "may run as root")
    for user in (own.at("runAsUser"), pod_wide.at("runAsUser")):
        yield from expect(user, lambda value: value != 0, "runs as root")
    filtered = own.at("seccompProfile.type")
    if filtered.known and filtered.raw is None:
        filtered = pod_wide.at("seccompProfile.type")
    yield from expect(filtered, one_of(*_SECCOMP), "has no filter of system calls")


@on("CM-02", *CONTAINERS)
def containers_are_bounded(resource: Resource) -> Findings:
    """Ask for a root file system that is read only, and for requests and limits."""
    for container in containers(resource):
        model = resource.kind == INFERENCE and container.path.endswith(".model")
        if not model:
            yield from expect(
                container.at("securityContext.readOnlyRootFilesystem"), lambda v: v is True, "writes to its own image"
            )
        for side in ("requests", "limits"):
            for what in ("cpu", "memory"):
                yield from expect(container.at(f"resources.{side}.{what}"), given, f"names no {side} of {what}")


@on("CM-02", *WHOLE)
def users_are_none_of_the_node(resource: Resource) -> Findings:
    """Ask for a user whose number no user of a node has."""
    place = spec(resource)
    whole = place.at("securityContext.runAsUser")
    for container in containers(resource):
        own = container.at("securityContext.runAsUser")
        user = whole if own.known and own.raw is None else own
        yield from expect(user, between(_LEAST_USER, _MOST_USER), "runs as a user that a node may have too")


@on("CM-02", *SERVERS)
def servers_are_probed(resource: Resource) -> Findings:
    """Ask servers for probes."""
    for container in spec(resource).at("containers").items():
        for probe in ("livenessProbe", "readinessProbe"):
            yield from expect(container.at(probe), given, f"has no {probe}")


@on("CM-03", TEMPLATE)
def nodes_keep_their_credentials(template: Resource) -> Findings:
    """Ask for IMDSv2 that pods cannot reach, and no SSH key."""
    options = template.at("metadataOptions")
    yield from expect(options.at("httpTokens"), one_of("required"), "admits IMDSv1")
    yield from expect(options.at("httpPutResponseHopLimit"), between(1, 1), "pods reach the node's credentials")
    yield from expect(template.at("keyName"), empty, "its nodes have an SSH key")


@on("CM-03", NODE_GROUP)
def nodes_have_no_way_in(group: Resource) -> Findings:
    """Refuse remote access, and ask for a template, which alone can ask for IMDSv2."""
    yield from expect(group.at("remoteAccess"), empty, "its nodes take SSH")
    yield from expect(group.at("launchTemplate"), given, "has no launch template, so pods reach the node's credentials")


@on_set("CM-03", EKS)
def clusters_are_supported(cluster: Resource, about: About) -> Findings:
    """Ask for a version that is in support."""
    versions = about.settings.services.eks_versions
    yield from expect(cluster.at("version"), one_of(*versions), "its version is not in support")


_MALWARE = ("EBS_MALWARE_PROTECTION", "RUNTIME_MONITORING", "EKS_RUNTIME_MONITORING")


@on_stack("CM-04")
def malware_is_looked_for(about: About) -> Findings:
    """Ask for malware or runtime protection of nodes, where the stack has nodes."""
    if not about.graph.of(EKS, NODE_GROUP):
        return
    features = about.graph.of("aws:guardduty/detectorFeature:DetectorFeature")
    switched = any(f.at("name").text() in _MALWARE and f.at("status").text() == "ENABLED" for f in features)
    plans = about.graph.of("aws:guardduty/malwareProtectionPlan:MalwareProtectionPlan")
    agents = [d for d in about.graph.of("k8s:apps/DaemonSet") if about.label(d, "purpose") == "runtime-protection"]
    if not (switched or plans or agents):
        yield fault("declares neither malware protection nor a runtime agent for its nodes")


@on_set("CM-05", SERVICE)
def services_offer_no_needless_port(service: Resource, about: About) -> Findings:
    """Refuse ports of remote shells, plain-text protocols and management."""
    for port in service.at("spec.ports").items():
        yield from _port(port.at("port"), about)
        yield from _port(port.at("targetPort"), about)


@on_set("CM-05", *TEMPLATES, *RUNTIMES)
def containers_offer_no_needless_port(resource: Resource, about: About) -> Findings:
    """Refuse the same of containers."""
    for container in containers(resource):
        for port in container.at("ports").items():
            yield from _port(port.at("containerPort"), about)


def _port(view: View, about: About) -> Findings:
    denied = about.settings.services.denied_ports
    yield from expect(view, lambda port: port not in denied, "opens a port that is not allowed")


@on_join("CM-05", SERVICE)
def services_lead_to_declared_ports(service: Resource, about: About) -> Findings:
    """Refuse a port that no container of the Service's pods declares, where the stack declares such pods."""
    selector = service.at("spec.selector").whole() or {}
    home = namespace(service).text()
    offered: set[object] = set()
    for resource in about.graph.memo("pods by namespace", _by_namespace).get(home, ()):
        labels = pod(resource).labels.whole() or {}
        if selector and selector.items() <= labels.items():
            ports = [port for container in containers(resource) for port in container.at("ports").items()]
            offered |= {port.at(field).value for port in ports for field in ("containerPort", "name")}
    for port in service.at("spec.ports").items() if offered else ():
        target = port.at("targetPort")
        wanted = port.at("port") if target.known and target.raw is None else target
        yield from expect(wanted, lambda value: value in offered, "leads to a port that no container declares")


def _by_namespace(graph: Graph) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for resource in graph.of(*WHOLE):
        try:
            found.setdefault(namespace(resource).text(), []).append(resource)
        except NotKnownError:
            continue
    return found
