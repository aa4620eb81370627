"""Kinds that have pods, each with a compliant pod at each of its places, and changes that no pod may have."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from policy_pack.stack.graph import Resource
from policy_pack.stack.resource_types import PodPlace, resource_types
from tests.policy.builders import GONE, build, put
from tests.policy.seeds.seed import Seed, seed
from tests.policy.world.pods import container, labels, meta, pod

_POD = pod("trainer", container("main", server=True))


@dataclass(frozen=True)
class Place:
    """A place of pods in a kind, and a resource with a compliant pod there."""

    kind: str
    row: PodPlace
    resource: Resource

    @property
    def title(self) -> str:
        """The id of a test."""
        return f"{self.kind} {self.row.at}".strip()

    def changed(self, change: "Change") -> Resource:
        """Return the resource with a change of its pod or of its container."""
        where = self.pod_path if change.of_pod else self.container_path
        props = put(self.resource.props, f"{where}.{change.path}".strip("."), change.value)
        return build(self.resource.type, self.resource.name, props)

    @property
    def pod_path(self) -> str:
        """The path of the fields of the PodSpec."""
        return ".".join(part for part in (self.row.at, self.row.spec) if part)

    @property
    def container_path(self) -> str:
        """The path of the first container."""
        first = self.row.containers[0]
        start = self.row.at if first.startswith("../") else self.pod_path
        return ".".join(part for part in (start, first.removeprefix("../").replace("[]", "[0]")) if part)


@dataclass(frozen=True)
class Change:
    """A change of a pod or of a container, and the control that must catch it."""

    control: str
    path: str
    value: Any
    of_pod: bool = False

    @property
    def title(self) -> str:
        """The id of a test."""
        return f"{self.control} {self.path} {self.value if isinstance(self.value, str | bool | int) else ''}".strip()


def places() -> Iterator[Place]:
    """Return every place of pods of every reviewed kind."""
    for name, kind in resource_types().kubernetes.items():
        for row in kind.pods:
            group, _, short = name.partition("/")
            props = _filled({"metadata": meta("trainer", "north", "data", "trainer")}, row)
            if row.at.count(".") and row.optional and not row.at.startswith("spec.provider"):
                props = _beside(props, kind.pods[0])
            type_ = f"kubernetes:{group}/{kind.versions[0]}:{short}"
            yield Place(name, row, build(type_, "north-trainer", props))


def _beside(props: dict[str, Any], main: PodPlace) -> dict[str, Any]:
    """Return a resource that also has the pods of its main place, without which it would violate controls."""
    filled = _filled({}, main)
    for step in main.at.split("."):
        filled = filled[step]
    own = props
    for step in main.at.split("."):
        own = own.setdefault(step, {})
    for key, value in filled.items():
        own.setdefault(key, value)
    return props


def _filled(props: dict[str, Any], row: PodPlace) -> dict[str, Any]:
    filled = deepcopy(props)
    spec = deepcopy(_POD)
    if row.completed:
        spec = {"containers": spec["containers"], "securityContext": spec["securityContext"]}
    if row.containers[0] != "containers[]":
        spec.pop("containers")
        single = ".".join(part for part in (row.at, row.containers[0].removeprefix("../")) if part)
        # EnvoyProxy has no variables of its own.
        own = container("main", server=True)
        filled = put(filled, single, {key: value for key, value in own.items() if key != "env"})
    if "supportedUriFormats" in row.fields:
        spec = {}
    path = ".".join(part for part in (row.at, row.spec) if part)
    for key, value in spec.items():
        filled = put(filled, f"{path}.{key}".strip("."), value)
    if row.labels:
        filled = put(
            filled, ".".join(part for part in (row.at, row.labels) if part), labels("north", "data", "trainer")
        )
    return filled


_HOST = {"httpGet": {"path": "/", "port": 8080, "host": "169.254.169.254"}}
_ROOT = "securityContext"

CONTAINER_CHANGES = [
    Change("CM-01", f"{_ROOT}.privileged", True),
    Change("CM-01", f"{_ROOT}.allowPrivilegeEscalation", True),
    Change("CM-01", f"{_ROOT}.allowPrivilegeEscalation", GONE),
    Change("CM-01", f"{_ROOT}.capabilities.drop", ["NET_RAW"]),
    Change("CM-01", f"{_ROOT}.capabilities.add", ["SYS_ADMIN"]),
    Change("CM-01", f"{_ROOT}.procMount", "Unmasked"),
    Change("CM-01", f"{_ROOT}.runAsNonRoot", False),
    Change("CM-01", f"{_ROOT}.runAsUser", 0),
    Change("CM-01", f"{_ROOT}.runAsGroup", 0),
    Change("CM-01", f"{_ROOT}.seccompProfile.type", "Unconfined"),
    Change("CM-01", f"{_ROOT}.appArmorProfile", {"type": "Unconfined"}),
    Change("CM-01", f"{_ROOT}.seLinuxOptions", {"type": "spc_t"}),
    Change("CM-01", f"{_ROOT}.seLinuxOptions", {"user": "system_u"}),
    Change("CM-01", f"{_ROOT}.windowsOptions", {"hostProcess": True}),
    Change("CM-01", "ports", [{"containerPort": 8080, "hostPort": 8080}]),
    Change("CM-01", "ports", [{"containerPort": 8080, "hostIP": "0.0.0.0"}]),
    Change("CM-01", "livenessProbe", _HOST),
    Change("CM-01", "startupProbe", _HOST),
    Change("CM-01", "lifecycle", {"preStop": _HOST}),
    Change("CM-01", "lifecycle", {"postStart": {"tcpSocket": {"port": 1, "host": "198.51.100.7"}}}),
    Change("CM-01", "volumeDevices", [{"name": "disk", "devicePath": "/dev/sda"}]),
    Change("CM-01", "somethingNew", {"enabled": True}),
    Change("CM-02", f"{_ROOT}.readOnlyRootFilesystem", False),
    Change("CM-02", f"{_ROOT}.runAsUser", 1000),
    Change("CM-02", "resources.limits.memory", GONE),
    Change("CM-05", "ports", [{"containerPort": 22}]),
    Change("ENC-09", "env", [{"name": "DB_PASSWORD", "value": "opensesame"}]),
    Change("ENC-09", "env", [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]),
    Change("ENC-09", "envFrom", [{"secretRef": {"name": "x"}}]),
    Change("INT-05", "image", "docker.io/library/python:latest"),
    Change("INT-05", "image", "evil.example/x@sha256:" + "a" * 64),
]


def _volume(**source: Any) -> list[dict[str, Any]]:
    return [{"name": "x", **source}]


_BAD = {**container("more"), "securityContext": {"privileged": True}}
_SHARED = ("hostPID", "hostIPC", "hostNetwork", "shareProcessNamespace")
POD_CHANGES = [
    *(
        Change("CM-01", name, True, of_pod=True)
        for name in ("hostPID", "hostIPC", "hostNetwork", "shareProcessNamespace")
    ),
    Change("CM-01", "volumes", _volume(hostPath={"path": "/"}), of_pod=True),
    Change("CM-01", "volumes", _volume(nfs={"server": "x", "path": "/"}), of_pod=True),
    Change("CM-01", "volumes", _volume(image={"reference": "evil:latest"}), of_pod=True),
    Change("CM-01", "volumes", _volume(gitRepo={"repository": "https://x"}), of_pod=True),
    Change("CM-01", "volumes", _volume(csi={"driver": "hostpath.csi.k8s.io"}), of_pod=True),
    Change("CM-01", "initContainers", [_BAD], of_pod=True),
    Change("CM-01", "initContainers", [{**_BAD, "restartPolicy": "Always"}], of_pod=True),
    Change("CM-01", "ephemeralContainers", [_BAD], of_pod=True),
    Change("CM-01", "containers", [container("main", server=True), _BAD], of_pod=True),
    Change("CM-01", "runtimeClassName", "kata", of_pod=True),
    Change("CM-01", "nodeName", "node-1", of_pod=True),
    Change("CM-01", "hostAliases", [{"ip": "198.51.100.7", "hostnames": ["vault"]}], of_pod=True),
    Change("CM-01", "priorityClassName", "system-node-critical", of_pod=True),
    Change("CM-01", "tolerations", [{"operator": "Exists"}], of_pod=True),
    Change("CM-01", "resourceClaims", [{"name": "device"}], of_pod=True),
    Change("CM-01", "securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}], of_pod=True),
    Change("CM-01", "securityContext.fsGroup", 0, of_pod=True),
    Change("CM-01", "securityContext.supplementalGroups", [0], of_pod=True),
    Change("CM-01", "securityContext.seLinuxOptions", {"type": "spc_t"}, of_pod=True),
    Change("CM-01", "securityContext.runAsUser", 0, of_pod=True),
]
WHOLE_POD_CHANGES = [
    Change("AC-13", "serviceAccountName", GONE, of_pod=True),
    Change("AC-13", "serviceAccountName", "default", of_pod=True),
    Change("AC-13", "serviceAccount", "admin", of_pod=True),
    Change("AC-13", "automountServiceAccountToken", True, of_pod=True),
    Change("AC-13", "automountServiceAccountToken", GONE, of_pod=True),
    Change(
        "AC-13",
        "volumes",
        _volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}),
        of_pod=True,
    ),
    Change(
        "AC-13",
        "volumes",
        _volume(projected={"sources": [{"serviceAccountToken": {"path": "token", "audience": "elsewhere"}}]}),
        of_pod=True,
    ),
]


def changes(place: Place) -> Iterator[Change]:
    """Return the changes that a place can have."""
    yield from CONTAINER_CHANGES
    if "supportedUriFormats" in place.row.fields:
        return
    for change in POD_CHANGES:
        if "ontainers" not in change.path or place.row.containers[0] == "containers[]":
            yield change
    if not place.row.completed:
        yield from WHOLE_POD_CHANGES


_CRON_JOB = "k8s:batch/CronJob"
_JOB = "spec.jobTemplate.spec.template.spec"
_INJECTED = "spec.jobTemplate.spec.template.metadata.annotations"
# Logs in to AWS only, in the compliant stack; other workloads, as all of the program's, may have a token for Vault.
_WITHOUT_VAULT = "*-features"
# Has no secrets from the agent, in the compliant stack and in the program's.
_WITHOUT_AGENT = "*-reidentif*"


def _seed(change: Change, name: str) -> Seed:
    path = f"{_JOB}.{change.path}" if change.of_pod else f"{_JOB}.containers[0].{change.path}"
    return seed(change.control, _CRON_JOB, path, change.value, name=name, hides=False)


_CHANGES = (*CONTAINER_CHANGES, *POD_CHANGES, *WHOLE_POD_CHANGES)
_TOKENS = tuple(change for change in _CHANGES if "projected" in str(change.value))
SEEDS = [
    seed("CM-01", _CRON_JOB, _INJECTED, {"vault.hashicorp.com/agent-inject": "true"}, name=_WITHOUT_AGENT, hides=False),
    *(_seed(change, "*") for change in _CHANGES if change not in _TOKENS),
    *(_seed(change, _WITHOUT_VAULT).here() for change in _TOKENS),
]
