"""Probe pods that stand for workloads, a network outside the cluster for them to fail to reach, and what they reach.

A probe pod has the namespace, the ServiceAccount and the label of its workload, so the same policies select it, and the
API server admits it by the same rules. It is never ready, so no Service sends it requests. A policy that selects probe
pods alone opens them for a moment, to see that every target answers where no policy is in the way.
"""

import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from local.paths import POD_CIDR, REPOSITORY
from tests.integration.network.zone_matrix import Pod, Row

PROGRAM = REPOSITORY / "tests" / "netpol" / "zone_probe.py"
LABEL = "probe"
CONTROL_PORT = 19999
LONGEST_SECONDS = 600
"""A pod ends by itself after this time, also when nobody is left to delete it."""
ANSWER_SECONDS = 60
METADATA, INTERNET = "169.254.169.254", "203.0.113.10"
_ROUTER, _NETNS, _LINK, _TABLE = "203.0.113.9", "hmlops-outside", "hmlops-out", "4242"

Target = tuple[str, str, int]
"""Protocol, address and port."""


@dataclass
class Probes:
    """The probe pods.

    Parameters
    ----------
    api
        Client of the API server.
    run
        Names the pods of this run.
    """

    api: client.ApiClient
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    addresses: dict[Pod, str] = field(default_factory=dict)
    _namespaces: set[str] = field(default_factory=set)

    @property
    def _core(self) -> Any:
        return client.CoreV1Api(self.api)

    @property
    def _networking(self) -> Any:
        return client.NetworkingV1Api(self.api)

    def deployed(self, hospital: str, row: Row) -> bool:
        """Return whether the stack declares a workload, so that its zone has a ServiceAccount and room for its pods."""
        namespace = f"{hospital}-{row.zone}"
        accounts = {one.metadata.name for one in self._core.list_namespaced_service_account(namespace).items}
        quota = self._core.read_namespaced_resource_quota("zone", namespace).spec.hard
        return _account(row) in accounts and int(quota["pods"]) > 0

    def image(self) -> str:
        """Return the image of workloads, by digest."""
        jobs: Any = client.BatchV1Api(self.api)
        template = jobs.read_namespaced_cron_job("features", "north-data").spec.job_template.spec.template
        return str(template.spec.containers[0].image)

    def start(self, pods: dict[Pod, Row], tcp: dict[Pod, list[int]], udp: list[int]) -> None:
        """Start a pod for each workload, and wait until they listen."""
        image = self.image()
        for pod, row in pods.items():
            self._namespaces.add(pod.namespace)
            body = self._manifest(pod, row, image, [port for port in tcp[pod] if port >= 1024], udp)
            self._core.create_namespaced_pod(pod.namespace, body)
        for pod in pods:
            name = self._name(pod)
            wait = Retrying(
                stop=stop_after_delay(90), wait=wait_fixed(0.2), retry=retry_if_result(lambda found: not found)
            )
            self.addresses[pod] = str(wait(self._address, pod.namespace, name))
        self.ask({pod: [] for pod in pods})

    def ask(self, targets: dict[Pod, list[Target]]) -> dict[Pod, list[str]]:
        """Let pods try targets, all at once, and return what each saw."""
        with ThreadPoolExecutor(len(targets)) as asking:
            outcomes = asking.map(lambda pod: _asked(self.addresses[pod], CONTROL_PORT, targets[pod]), targets)
            return dict(zip(targets, outcomes, strict=True))

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Allow the probe pods every connection, and nobody else."""
        spec = {
            "podSelector": {"matchLabels": {LABEL: self.run}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{}],
            "egress": [{}],
        }
        body = {"metadata": {"name": f"probe-{self.run}"}, "spec": spec}
        try:
            for namespace in self._namespaces:
                self._networking.create_namespaced_network_policy(namespace, body)
            yield
        finally:
            for namespace in self._namespaces:
                _unless_gone(self._networking.delete_namespaced_network_policy, f"probe-{self.run}", namespace)

    def close(self) -> None:
        """Delete the pods."""
        for namespace in self._namespaces:
            self._core.delete_collection_namespaced_pod(
                namespace, label_selector=f"{LABEL}={self.run}", grace_period_seconds=0
            )

    def _name(self, pod: Pod) -> str:
        return f"probe-{self.run}-{pod.account}"

    def _address(self, namespace: str, name: str) -> str | None:
        status = self._core.read_namespaced_pod(name, namespace).status
        return status.pod_ip if status.phase == "Running" else None

    def _manifest(self, pod: Pod, row: Row, image: str, tcp: list[int], udp: list[int]) -> dict[str, Any]:
        ports = [",".join(map(str, tcp)), ",".join(map(str, udp))]
        container = {
            "name": "probe",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-I", "-S", "-c", PROGRAM.read_text(encoding="utf-8"), str(CONTROL_PORT), *ports],
            "readinessProbe": {"exec": {"command": ["never"]}, "initialDelaySeconds": LONGEST_SECONDS},
            "resources": {
                "requests": {"cpu": "5m", "memory": "32Mi"},
                "limits": {"cpu": "200m", "memory": "96Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        spec = {
            "serviceAccountName": _account(row),
            "priorityClassName": f"healthcare-mlops-{row.pool}",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "activeDeadlineSeconds": LONGEST_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        }
        labels = {"app.kubernetes.io/name": pod.account, LABEL: self.run}
        return {"metadata": {"name": self._name(pod), "labels": labels}, "spec": spec}


@contextmanager
def outside(tcp: list[int], udp: list[int]) -> Iterator[None]:
    """Run a listener behind the node at the metadata address and at one that stands for the internet.

    Only packets of pods are routed there, so nothing changes for the machine itself.
    """
    _commands(_TAKE_AWAY, check=False)
    try:
        _commands(_BUILD)
        arguments = [str(CONTROL_PORT), ",".join(map(str, tcp)), ",".join(map(str, udp))]
        listener = subprocess.Popen(
            ["ip", "netns", "exec", _NETNS, sys.executable, "-I", "-S", str(PROGRAM), *arguments]
        )
        try:
            _asked(INTERNET, CONTROL_PORT, [])
            yield
        finally:
            listener.kill()
            listener.wait()
    finally:
        _commands(_TAKE_AWAY, check=False)


_BUILD = (
    f"ip netns add {_NETNS}",
    f"ip link add {_LINK} type veth peer name eth0 netns {_NETNS}",
    f"ip addr add {_ROUTER}/30 dev {_LINK}",
    f"ip link set {_LINK} up",
    f"ip -n {_NETNS} addr add {INTERNET}/30 dev eth0",
    f"ip -n {_NETNS} addr add {METADATA}/32 dev eth0",
    f"ip -n {_NETNS} link set eth0 up",
    f"ip -n {_NETNS} link set lo up",
    f"ip -n {_NETNS} route add default via {_ROUTER}",
    f"ip route add {METADATA}/32 via {INTERNET} table {_TABLE}",
    f"ip rule add from {POD_CIDR} to {METADATA}/32 lookup {_TABLE}",
)
_TAKE_AWAY = (
    f"ip rule del from {POD_CIDR} to {METADATA}/32 lookup {_TABLE}",
    f"ip route flush table {_TABLE}",
    f"ip link del {_LINK}",
    f"ip netns del {_NETNS}",
)


def _commands(commands: tuple[str, ...], *, check: bool = True) -> None:
    for command in commands:
        subprocess.run(command.split(), check=check, capture_output=not check)


def _asked(address: str, port: int, targets: list[Target]) -> list[str]:
    """Ask a probe's program on its control port, which the node reaches whatever the policies say."""
    starting = Retrying(
        stop=stop_after_delay(30), wait=wait_fixed(0.2), retry=retry_if_exception_type(OSError), reraise=True
    )
    connection = starting(socket.create_connection, (address, port), timeout=ANSWER_SECONDS)
    with connection, connection.makefile("rw", encoding="utf-8") as stream:
        stream.write(json.dumps(targets) + "\n")
        stream.flush()
        outcomes: list[str] = json.loads(stream.readline())
        return outcomes


def _account(row: Row) -> str:
    # Envoy Gateway names the ServiceAccount of its pods by the Gateway.
    return "gateway" if row.name == "gateway" else row.account


def _unless_gone(delete: Any, *arguments: str) -> None:
    try:
        delete(*arguments)
    except client.exceptions.ApiException as error:
        if error.status != 404:
            raise
