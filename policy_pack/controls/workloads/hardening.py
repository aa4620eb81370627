"""Pod security: the restricted Pod Security Standard, resources, and what else a pod can set, wherever pods are."""

import posixpath
import re
from collections.abc import Callable, Iterable
from typing import Any

from policy_pack.controls.rules import resource_check
from policy_pack.stack.checks import (
    Findings,
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
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import ENVOY_PROXY
from policy_pack.stack.pods import CONTAINER_OWNERS, LONG_RUNNING_SERVERS, Container, Pod, pods
from policy_pack.stack.resource_types import resource_types
from policy_pack.stack.values import View

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
# A localhost profile is a file of the node, which nobody has reviewed.
_SECCOMP = ("RuntimeDefault",)
_PROPAGATION = (None, "None")
# Directories of code, of the kernel and of the whole image, over which a volume puts what nobody reviewed.
_COVERED = re.compile(r"/*(?:(?:bin|boot|dev|etc|lib(?:32|64)?|proc|sbin|sys|usr)/*)?")
# Where Kubernetes mounts a ServiceAccount's token.
_TOKENS = re.compile(r"/+(?:var/)?run/secrets/kubernetes\.io(?:/.*)?")
# Fields of a pod that its controller sets, in kinds that do not declare the whole pod.
_OF_THE_CONTROLLER = frozenset({"restartPolicy", "serviceAccount", "serviceAccountName"})
_SELINUX_TYPES = (None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
_MIN_USER, _MAX_USER = 10_000, 2**31 - 1
_ALLOWED_CAPABILITIES = ("NET_BIND_SERVICE",)
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")
_HANDLERS = ("httpGet", "tcpSocket")
_SYSTEM_PRIORITY = "system-"


@resource_check("CM-01", *CONTAINER_OWNERS)
def pods_are_restricted(resource: Resource) -> Findings:
    """Require the restricted Pod Security Standard."""
    for pod in pods(resource):
        yield from guarded(_pod(pod), pod.spec.path)
        for container in pod.containers:
            yield from guarded(_container(container, pod.spec), container.view.path)
        if not pod.own_containers and (pod.whole or pod.containers):
            yield from _security(pod.spec.at("securityContext"), pod.spec.at("securityContext"))


def _pod(pod: Pod) -> Findings:
    for field in _HOST_NAMESPACES:
        yield from expect(
            pod.spec.at(field), is_not_true, f"shares the {field.removeprefix('host')} namespace of the node"
        )
    shared = pod.spec.at("shareProcessNamespace")
    yield from expect(shared, is_not_true, "its containers can read each other's memory and files")
    for volume in pod.spec.at("volumes").items():
        yield from guarded(_volume(volume), volume.path)
    context = pod.spec.at("securityContext")
    for sysctl in context.at("sysctls").items():
        yield from expect(sysctl.at("name"), lambda name: name in _SAFE_SYSCTLS, "sets an unsafe sysctl")
    for field in ("fsGroup", "runAsGroup"):
        yield from expect(context.at(field), lambda group: group != 0, f"{field} is the group of root")
    for group in context.at("supplementalGroups").items():
        yield from expect(group, lambda number: number != 0, "is in the group of root")
    # For containers that a controller adds to the pod, which have no profile of their own.
    yield from expect(context.at("seccompProfile.type"), one_of(None, *_SECCOMP), "its pod has another seccomp profile")
    yield from _kernel_security(context)


def _volume(volume: View) -> Findings:
    kinds = {name for name, view in volume.fields() if view.raw is not None} - {"name"}
    for kind in sorted(kinds - _VOLUMES):
        yield violation(f"mounts a volume of type {kind}", volume.path)
    if "csi" in kinds:
        drivers = resource_types().inline_csi_drivers
        driver = volume.at("csi.driver")
        yield from expect(driver, lambda name: name in drivers, "mounts a volume of a CSI driver that was not reviewed")


def _kernel_security(context: View) -> Findings:
    """Yield whether a security context switches AppArmor, SELinux or Windows isolation off."""
    yield from expect(context.at("appArmorProfile.type"), one_of(None, *_SECCOMP), "has no AppArmor profile")
    for profile in ("appArmorProfile", "seccompProfile"):
        local = context.at(f"{profile}.localhostProfile")
        yield from expect(local, is_empty, f"has a profile of the node's own files ({profile})")
    yield from expect(context.at("seLinuxOptions.type"), one_of(*_SELINUX_TYPES), "has a custom SELinux type")
    for field in ("user", "role"):
        yield from expect(context.at(f"seLinuxOptions.{field}"), is_empty, f"has a custom SELinux {field}")
    yield from expect(context.at("windowsOptions.hostProcess"), is_not_true, "is a process of the node")


def _container(container: Container, pod_spec: View) -> Findings:
    view = container.view
    if not view.known:
        yield not_yet_known(view.path)
        return
    own = view.at("securityContext")
    yield from expect(own.at("privileged"), is_not_true, "a container is privileged")
    yield from _set(
        container,
        "allowPrivilegeEscalation",
        lambda value: value is False,
        "a container allows privilege escalation",
    )
    yield from expect(own.at("procMount"), one_of(None, "Default"), "a container has an unmasked /proc (procMount)")
    yield from _set(
        container,
        "capabilities.drop",
        lambda names: bool(names) and "ALL" in names,
        "a container does not drop all capabilities",
    )
    for added in own.at("capabilities.add").items():
        yield from expect(added, one_of(*_ALLOWED_CAPABILITIES), "a container adds capabilities")
    for port in view.at("ports").items():
        yield from expect(port.at("hostPort"), one_of(None, 0), "a container uses a host port")
        yield from expect(port.at("hostIP"), is_empty, "a container uses an address of the node")
    for mount in view.at("volumeMounts").items():
        yield from _mount(mount)
    yield from expect(own.at("runAsGroup"), lambda group: group != 0, "runAsGroup is the group of root")
    yield from _kernel_security(own)
    yield from _probe_hosts(view)
    yield from _security(own, pod_spec.at("securityContext"), merged=container.merged)


def _mount(mount: View) -> Findings:
    """Yield whether mounts are exchanged with the node, or a volume covers a directory of the system."""
    propagation = mount.at("mountPropagation")
    yield from expect(propagation, one_of(*_PROPAGATION), "exchanges mounts with its node (mountPropagation)")
    yield from expect(
        mount.at("mountPath"),
        lambda path: not isinstance(path, str) or _COVERED.fullmatch(posixpath.normpath(path or ".")) is None,
        "mounts a volume over a directory of the system; mount it at a directory of its own",
    )
    yield from expect(
        mount.at("mountPath"),
        lambda path: is_set(path) and _TOKENS.fullmatch(posixpath.normpath(str(path))) is None,
        "mounts a volume where the API's own token is, or nowhere",
    )
    yield from expect(
        mount.at("subPath"), lambda path: ".." not in str(path or "").split("/"), "mounts what is above its volume"
    )


def _set(container: Container, path: str, predicate: Callable[[Any], bool], message: str) -> Findings:
    """Check a property of a security context; a container that is merged over another one need not set it."""
    view = container.view.at(f"securityContext.{path}")
    if not (container.merged and view.known and view.raw is None):
        yield from expect(view, predicate, message)


def _probe_hosts(container: View) -> Findings:
    """Yield whether the kubelet sends a probe or a lifecycle hook to another host than the pod."""
    for probe in _PROBES:
        for handler in _HANDLERS:
            yield from expect(
                container.at(f"{probe}.{handler}.host"), is_empty, f"its {probe} makes the node call another host"
            )


def _security(own: View, pod_context: View, *, merged: bool = False) -> Findings:
    """Yield whether a container can run as root or without seccomp; its own security context overrides the pod's."""
    non_root = own.at("runAsNonRoot")
    if non_root.known and non_root.raw is None:
        non_root = pod_context.at("runAsNonRoot")
    if not (merged and non_root.known and non_root.raw is None):
        yield from expect(non_root, lambda value: value is True, "runAsNonRoot is not true")
    for user in (own.at("runAsUser"), pod_context.at("runAsUser")):
        yield from expect(user, lambda value: value != 0, "runs as root")
    profile = own.at("seccompProfile.type")
    if profile.known and profile.raw is None:
        profile = pod_context.at("seccompProfile.type")
    if not (merged and profile.known and profile.raw is None):
        yield from expect(profile, one_of(*_SECCOMP), "has no seccomp profile (RuntimeDefault)")


@resource_check("CM-01", *CONTAINER_OWNERS)
def pods_have_reviewed_fields(resource: Resource) -> Findings:
    """Refuse fields of pods and containers that were not reviewed, such as runtimeClassName and nodeName."""
    types = resource_types()
    for pod in pods(resource):
        own = types.pod_fields if pod.whole else types.pod_fields - _OF_THE_CONTROLLER
        known = own | set(pod.place.fields) | set(pod.place.merged)
        yield from guarded(_fields(pod.spec, known), pod.spec.path)
        for container in pod.containers:
            reviewed = types.container_fields | (types.model_fields if pod.place.merged else frozenset())
            yield from guarded(_fields(container.view, reviewed), container.view.path)
        yield from guarded(_scheduling(pod), pod.spec.path)
        yield from guarded(_injection(pod), pod.annotations.path)


def _fields(view: View, reviewed: Iterable[str]) -> Findings:
    for name, field in view.fields():
        if name not in reviewed and (not field.known or is_set(field.raw)):
            yield violation(f"sets {name}, which was not reviewed (resource_types.yaml)", field.path)


def _scheduling(pod: Pod) -> Findings:
    """Yield a priority of the system, and tolerations of every taint, by which a pod gets on to any node."""
    priority = pod.spec.at("priorityClassName")
    yield from expect(
        priority, lambda name: not str(name or "").startswith(_SYSTEM_PRIORITY), "has a priority of the system"
    )
    for toleration in pod.spec.at("tolerations").items():
        yield from expect(toleration.at("key"), is_set, "tolerates every taint, so it can run on any node")


def _injection(pod: Pod) -> Findings:
    prefixes = resource_types().injecting_annotations
    for holder in (pod.annotations, pod.labels):
        for name, view in holder.fields():
            if name.startswith(prefixes):
                yield violation(f"{name} lets an injector change its containers", view.path)


@resource_check("CM-02", *CONTAINER_OWNERS)
def containers_have_limits(resource: Resource) -> Findings:
    """Require a read-only root file system, and resource requests and limits."""
    for pod in pods(resource):
        for container in pod.containers:
            yield from _set(
                container, "readOnlyRootFilesystem", lambda v: v is True, "its root file system is not read-only"
            )
            for side in ("requests", "limits") if not container.merged else ():
                for what in ("cpu", "memory"):
                    view = container.view.at(f"resources.{side}.{what}")
                    yield from expect(view, is_set, f"has no {side} for {what}")


@resource_check("CM-02", ENVOY_PROXY)
def proxies_have_read_only_roots(proxy: Resource) -> Findings:
    """Require it of a proxy whose container has no image of its own: Envoy Gateway leaves its root writable.

    The shutdown manager beside Envoy has the same security context.
    """
    own = proxy.at("spec.provider.kubernetes")
    kind = "envoyDeployment" if own.at("envoyDaemonSet").raw is None else "envoyDaemonSet"
    container = own.at(f"{kind}.container")
    root = container.at("securityContext.readOnlyRootFilesystem")
    if root.known and root.raw is None and container.at("image").raw is None:
        yield violation("its root file system is not read-only", root.path)


@resource_check("CM-02", *CONTAINER_OWNERS)
def users_are_not_of_the_node(resource: Resource) -> Findings:
    """Require a user id that no user of a node has."""
    for pod in pods(resource):
        pod_user = pod.spec.at("securityContext.runAsUser")
        for container in pod.containers:
            own = container.view.at("securityContext.runAsUser")
            user = pod_user if own.known and own.raw is None else own
            if user.known and user.raw is None and (container.merged or not pod.whole):
                continue
            yield from expect(
                user, between(_MIN_USER, _MAX_USER), "runs as a user id below 10000, which a user of the node may have"
            )


@resource_check("CM-02", *LONG_RUNNING_SERVERS)
def servers_have_probes(resource: Resource) -> Findings:
    """Require liveness and readiness probes of servers."""
    for pod in pods(resource):
        for container in pod.own_containers:
            for probe in ("livenessProbe", "readinessProbe") if container.main else ():
                yield from expect(container.view.at(probe), is_set, f"has no {probe}")
