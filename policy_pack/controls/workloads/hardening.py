"""Pod security, node hardening, and allowed ports."""

from policy_pack.controls.rules import context_check, join_check, resource_check, stack_check
from policy_pack.facts.network.selectors import matches_labels
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    between,
    expect,
    guarded,
    is_empty,
    is_not_true,
    is_set,
    not_yet_known,
    one_of,
    violation,
)
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import EKS, INFERENCE_SERVICE, LAUNCH_TEMPLATE, NODE_GROUP, SERVICE, SERVING_RUNTIMES
from policy_pack.stack.pods import (
    CONTAINER_OWNERS,
    LONG_RUNNING_SERVERS,
    POD_OWNERS,
    POD_TEMPLATES,
    containers,
    namespace,
    pod,
    spec,
)
from policy_pack.stack.values import NotKnownError, View

_HOST_NAMESPACES = ("hostPID", "hostIPC", "hostNetwork")
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
_MIN_USER, _MAX_USER = 10_000, 2**31 - 1
_ALLOWED_CAPABILITIES = ("NET_BIND_SERVICE",)


@resource_check("CM-01", *CONTAINER_OWNERS)
def pods_are_restricted(resource: Resource) -> Findings:
    """Require the restricted Pod Security Standard."""
    pod_spec = spec(resource)
    for field in _HOST_NAMESPACES:
        yield from expect(
            pod_spec.at(field), is_not_true, f"shares the {field.removeprefix('host')} namespace of the node"
        )
    for volume in pod_spec.at("volumes").items():
        yield from guarded(_volume(volume), volume.path)
    for container in containers(resource):
        yield from guarded(_container(container, pod_spec), container.path)
    if resource.kind in POD_OWNERS and not is_set(pod_spec.at("containers").raw):
        yield from _security(pod_spec.at("securityContext"), pod_spec.at("securityContext"))


def _volume(volume: View) -> Findings:
    kinds = {name for name, view in volume.fields() if view.raw is not None} - {"name"}
    for kind in sorted(kinds - _VOLUMES):
        yield violation(f"mounts a volume of type {kind}", volume.path)


def _container(container: View, pod_spec: View) -> Findings:
    if not container.known:
        yield not_yet_known(container.path)
        return
    own = container.at("securityContext")
    yield from expect(own.at("privileged"), is_not_true, "a container is privileged")
    yield from expect(
        own.at("allowPrivilegeEscalation"), lambda value: value is False, "a container allows privilege escalation"
    )
    yield from expect(own.at("procMount"), one_of(None, "Default"), "a container has an unmasked /proc (procMount)")
    drop = own.at("capabilities.drop")
    yield from expect(drop, lambda names: bool(names) and "ALL" in names, "a container does not drop all capabilities")
    for added in own.at("capabilities.add").items():
        yield from expect(added, one_of(*_ALLOWED_CAPABILITIES), "a container adds capabilities")
    for port in container.at("ports").items():
        yield from expect(port.at("hostPort"), one_of(None, 0), "a container uses a host port")
    yield from _security(own, pod_spec.at("securityContext"))


def _security(own: View, pod_context: View) -> Findings:
    """Yield whether a container can run as root or without seccomp; its own security context overrides the pod's."""
    non_root = own.at("runAsNonRoot")
    if non_root.known and non_root.raw is None:
        non_root = pod_context.at("runAsNonRoot")
    yield from expect(non_root, lambda value: value is True, "runAsNonRoot is not true")
    for user in (own.at("runAsUser"), pod_context.at("runAsUser")):
        yield from expect(user, lambda value: value != 0, "runs as root")
    profile = own.at("seccompProfile.type")
    if profile.known and profile.raw is None:
        profile = pod_context.at("seccompProfile.type")
    yield from expect(profile, one_of(*_SECCOMP), "has no seccomp profile (RuntimeDefault or Localhost)")


@resource_check("CM-02", *CONTAINER_OWNERS)
def containers_have_limits(resource: Resource) -> Findings:
    """Require a read-only root file system, and resource requests and limits."""
    for container in containers(resource):
        is_model = resource.kind == INFERENCE_SERVICE and container.path.endswith(".model")
        if not is_model:
            yield from expect(
                container.at("securityContext.readOnlyRootFilesystem"),
                lambda v: v is True,
                "its root file system is not read-only",
            )
        for side in ("requests", "limits"):
            for what in ("cpu", "memory"):
                yield from expect(container.at(f"resources.{side}.{what}"), is_set, f"has no {side} for {what}")


@resource_check("CM-02", *POD_OWNERS)
def users_are_not_of_the_node(resource: Resource) -> Findings:
    """Require a user id that no user of a node has."""
    pod_spec = spec(resource)
    pod_user = pod_spec.at("securityContext.runAsUser")
    for container in containers(resource):
        own = container.at("securityContext.runAsUser")
        user = pod_user if own.known and own.raw is None else own
        yield from expect(
            user, between(_MIN_USER, _MAX_USER), "runs as a user id below 10000, which a user of the node may have"
        )


@resource_check("CM-02", *LONG_RUNNING_SERVERS)
def servers_have_probes(resource: Resource) -> Findings:
    """Require liveness and readiness probes of servers."""
    for container in spec(resource).at("containers").items():
        for probe in ("livenessProbe", "readinessProbe"):
            yield from expect(container.at(probe), is_set, f"has no {probe}")


@resource_check("CM-03", LAUNCH_TEMPLATE)
def nodes_require_imdsv2(template: Resource) -> Findings:
    """Require IMDSv2 with a hop limit of 1, and no SSH key."""
    options = template.at("metadataOptions")
    yield from expect(options.at("httpTokens"), one_of("required"), "allows IMDSv1")
    yield from expect(
        options.at("httpPutResponseHopLimit"),
        between(1, 1),
        "has a hop limit over 1, so pods can use the credentials of the node",
    )
    yield from expect(template.at("keyName"), is_empty, "has an SSH key")


@resource_check("CM-03", NODE_GROUP)
def nodes_have_no_remote_access(group: Resource) -> Findings:
    """Refuse remote access, and require a launch template, which alone can require IMDSv2."""
    yield from expect(group.at("remoteAccess"), is_empty, "allows remote access by SSH")
    yield from expect(group.at("launchTemplate"), is_set, "has no launch template that requires IMDSv2")


@context_check("CM-03", EKS)
def cluster_version_is_supported(cluster: Resource, context: StackContext) -> Findings:
    """Require a Kubernetes version in standard support."""
    versions = context.settings.services.eks_versions
    yield from expect(cluster.at("version"), one_of(*versions), "its Kubernetes version is not in standard support")


_MALWARE = ("EBS_MALWARE_PROTECTION", "RUNTIME_MONITORING", "EKS_RUNTIME_MONITORING")


@stack_check("CM-04")
def nodes_have_malware_protection(context: StackContext) -> Findings:
    """Require malware protection or runtime monitoring of nodes, where the stack has nodes."""
    if not context.graph.of(EKS, NODE_GROUP):
        return
    features = context.graph.of("aws:guardduty/detectorFeature:DetectorFeature")
    has_feature = any(f.at("name").text() in _MALWARE and f.at("status").text() == "ENABLED" for f in features)
    plans = context.graph.of("aws:guardduty/malwareProtectionPlan:MalwareProtectionPlan")
    agents = [d for d in context.graph.of("k8s:apps/DaemonSet") if context.label(d, "purpose") == "runtime-protection"]
    if not (has_feature or plans or agents):
        yield violation("has neither malware protection nor runtime monitoring of its nodes")


@context_check("CM-05", SERVICE)
def service_ports_are_allowed(service: Resource, context: StackContext) -> Findings:
    """Refuse Service ports of remote shells, plain-text protocols and management interfaces."""
    for port in service.at("spec.ports").items():
        yield from _port(port.at("port"), context)
        yield from _port(port.at("targetPort"), context)


@context_check("CM-05", *POD_TEMPLATES, *SERVING_RUNTIMES)
def container_ports_are_allowed(resource: Resource, context: StackContext) -> Findings:
    """Refuse the same container ports."""
    for container in containers(resource):
        for port in container.at("ports").items():
            yield from _port(port.at("containerPort"), context)


def _port(view: View, context: StackContext) -> Findings:
    denied = context.settings.services.denied_ports
    yield from expect(view, lambda port: port not in denied, "uses a port that is not allowed")


@join_check("CM-05", SERVICE)
def service_targets_are_declared(service: Resource, context: StackContext) -> Findings:
    """Refuse a target port that no container of the selected pods declares, where the stack declares such pods."""
    selector = service.at("spec.selector").whole() or {}
    namespace_name = namespace(service).text()
    declared_ports: set[object] = set()
    for resource in context.graph.memo("pods by namespace", _pods_by_namespace).get(namespace_name, ()):
        labels = pod(resource).labels.whole() or {}
        if selector and matches_labels(selector, labels):
            ports = [port for container in containers(resource) for port in container.at("ports").items()]
            declared_ports |= {port.at(field).value for port in ports for field in ("containerPort", "name")}
    for port in service.at("spec.ports").items() if declared_ports else ():
        target = port.at("targetPort")
        if target.known and target.raw is None:
            target = port.at("port")
        yield from expect(target, lambda value: value in declared_ports, "targets a port that no container declares")


def _pods_by_namespace(graph: Graph) -> dict[str, list[Resource]]:
    by_namespace: dict[str, list[Resource]] = {}
    for resource in graph.of(*POD_OWNERS):
        try:
            by_namespace.setdefault(namespace(resource).text(), []).append(resource)
        except NotKnownError:
            continue
    return by_namespace
