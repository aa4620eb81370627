"""The embedded node enforces policies on real pods, and starts them without delay."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from local.paths import API_PORT, NODE_IP, POD_CIDR, REPOSITORY
from tests.netpol.generate import PORTS
from tests.netpol.members import AGENT, PATIENT, QUICK, Member, Probing
from tests.netpol.reference import Cluster, Edge

PREFIX = "hmlops-netpol-"
# Where the agent's code lies in a pod.
MOUNTED = "/agent/agent.py"
# How long a change may take from the API to the packets.
PROMPT = 2.0
START = """
import socket, time
began = time.monotonic()
socket.create_connection(("{address}", {port}), timeout=10).close()
print(round(time.monotonic() - began, 3))
"""

pytestmark = pytest.mark.integration
Json = dict[str, Any]


def kubectl(*arguments: str, document: Json | None = None) -> str:
    text = json.dumps(document) if document else None
    done = subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def within(seconds: float) -> Retrying:
    """Try again until it holds."""
    return Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.1),
        retry=retry_if_exception_type(AssertionError),
        reraise=True,
    )


class Pods(Probing):
    """Three pods in two namespaces of their own.

    Parameters
    ----------
    image
        An image with Python.
    """

    def __init__(self, image: str) -> None:
        super().__init__()
        self.image = image
        prefix = f"{PREFIX}{secrets.token_hex(3)}"
        self.one, self.other = f"{prefix}-one", f"{prefix}-other"
        self.address: dict[str, str] = {}

    def pod(self, namespace: str, name: str, *command: str, **spec: Any) -> Json:
        hardened = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        container = {
            "name": "agent",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-I", "-S", *command],
            "stdin": True,
            "securityContext": hardened,
            "resources": {"requests": {"cpu": "5m"}, "limits": {"cpu": "200m", "memory": "64Mi"}},
            "ports": [{"name": "web", "containerPort": PORTS[1]}],
            "volumeMounts": [{"name": "agent", "mountPath": "/agent"}],
        }
        pod = {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [container | spec.pop("container", {})],
            "volumes": [{"name": "agent", "configMap": {"name": "agent"}}],
            **spec,
        }
        meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod}

    def create(self) -> None:
        objects: list[Json] = []
        for namespace, team in ((self.one, "one"), (self.other, "other")):
            labels = {"team": team, "pod-security.kubernetes.io/enforce": "restricted"}
            objects += [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}},
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "agent", "namespace": namespace},
                    "data": {"agent.py": AGENT.read_text()},
                },
            ]
        for namespace, name in ((self.one, "client"), (self.one, "server"), (self.other, "stranger")):
            # The kubelet reaches pods whatever the policies say.
            probe = {"readinessProbe": {"tcpSocket": {"port": PORTS[0]}, "periodSeconds": 1}}
            objects.append(self.pod(namespace, name, MOUNTED, *map(str, PORTS), container=probe))
        service = {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": "web"}]}
        meta = {"name": "server", "namespace": self.one}
        objects.append({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service})
        kubectl("apply", "-f", "-", document={"apiVersion": "v1", "kind": "List", "items": objects})

    def connect(self) -> None:
        for namespace, name in ((self.one, "client"), (self.one, "server"), (self.other, "stranger")):
            kubectl("wait", "-n", namespace, f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
            self.address[name] = kubectl("get", "pod", "-n", namespace, name, "-o", "jsonpath={.status.podIP}")
            command = ["kubectl", "exec", "-i", "-n", namespace, name, "--", "python", "-I", "-S", MOUNTED]
            self.members[self.address[name]] = Member(command)
        for member in self.members.values():
            member.answer()

    def policy(self, name: str, spec: Json) -> None:
        document = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": self.one},
            "spec": spec,
        }
        kubectl("apply", "-f", "-", document=document)

    def forget_policies(self) -> None:
        kubectl("delete", "networkpolicy", "-n", self.one, "--all")

    def cluster(self) -> Cluster:
        """Return the reference's view of what the API says now."""

        def read(kind: str) -> list[Json]:
            lists = (json.loads(kubectl("get", kind, "-n", n, "-o", "json")) for n in (self.one, self.other))
            return [item for some in lists for item in some["items"]]

        namespaces = [json.loads(kubectl("get", "namespace", n, "-o", "json")) for n in (self.one, self.other)]
        return Cluster(namespaces, read("pods"), read("networkpolicies"), POD_CIDR, frozenset({NODE_IP}))

    def edge(self, source: str, target: str, port: int = PORTS[0], protocol: str = "TCP") -> Edge:
        return Edge(self.address[source], self.address.get(target, target), protocol, port)

    def passes(self, edge: Edge) -> bool:
        return bool(self.reached([edge], QUICK))


@pytest.fixture(scope="module")
def pods() -> Iterator[Pods]:
    locks = REPOSITORY / "build" / "images.json"
    if not shutil.which("kubectl") or not Path(os.environ.get("KUBECONFIG", "")).is_file() or not locks.is_file():
        pytest.skip('the embedded environment is not up: `make up`, then `eval "$(make -s env)"`')
    for line in kubectl("get", "namespaces", "-o", "name").split():
        if line.removeprefix("namespace/").startswith(PREFIX):
            kubectl("delete", line, "--wait=false")
    pods = Pods(json.loads(locks.read_text())["workloads"])
    try:
        pods.create()
        pods.connect()
        yield pods
    finally:
        for member in pods.members.values():
            member.close()
        kubectl("delete", "namespace", pods.one, pods.other, "--ignore-not-found", "--wait=true", "--timeout=90s")


SPECS: dict[str, list[Json]] = {
    "no policy": [],
    "nothing passes": [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}],
    "a named port from the same namespace": [
        {
            "podSelector": {"matchLabels": {"app": "server"}},
            "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": "web"}]}],
        },
    ],
    "a team's range of ports": [
        {
            "podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["client"]}]},
            "ingress": [
                {
                    "from": [{"namespaceSelector": {"matchLabels": {"team": "other"}}}],
                    "ports": [{"port": PORTS[0], "endPort": PORTS[2]}, {"port": PORTS[3], "protocol": "UDP"}],
                }
            ],
        },
    ],
    "out to the node alone": [
        {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": f"{NODE_IP}/32"}}]}]},
    ],
    "out to all but the node": [
        {
            "podSelector": {"matchLabels": {"app": "client"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [f"{NODE_IP}/32"]}}]}],
        },
    ],
}


@pytest.mark.parametrize("name", SPECS)
def test_pods_agree_with_the_reference(pods: Pods, name: str) -> None:
    pods.forget_policies()
    for number, spec in enumerate(SPECS[name]):
        pods.policy(f"policy-{number}", spec)
    cluster = pods.cluster()
    addresses = list(pods.members)
    tried = [Edge(a, b, p, port) for a in addresses for b in addresses for p in ("TCP", "UDP") for port in PORTS]
    tried += [Edge(a, NODE_IP, "TCP", API_PORT) for a in addresses]
    expected = {edge for edge in tried if cluster.allowed(edge)}
    for attempt in within(PROMPT + PATIENT):
        with attempt:
            assert pods.disagreements(tried, expected) == set()


def test_labels_decide_at_once_and_for_open_connections_too(pods: Pods) -> None:
    pods.forget_policies()
    friends = [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"role": "friend"}}}]
    pods.policy("friends", {"podSelector": {"matchLabels": {"app": "server"}}, "ingress": [{"from": friends}]})
    edge = pods.edge("stranger", "server")
    for attempt in within(PROMPT):
        with attempt:
            assert not pods.passes(edge)
    kubectl("label", "pod", "-n", pods.other, "stranger", "role=friend")
    for attempt in within(PROMPT):
        with attempt:
            assert pods.passes(edge)
    stranger = pods.members[pods.address["stranger"]]
    kept = stranger.ask("open", edge.target, "TCP", edge.port)
    assert stranger.ask("talk", kept, PATIENT)
    kubectl("label", "pod", "-n", pods.other, "stranger", "role-")
    for attempt in within(PROMPT):
        with attempt:
            assert not stranger.ask("talk", kept, QUICK)
    assert not pods.passes(edge)


def test_a_long_name_stops_no_later_policy(pods: Pods) -> None:
    pods.forget_policies()
    pods.policy("a" * 253, {"podSelector": {"matchLabels": {"app": "client"}}})
    edge = pods.edge("stranger", "server")
    for attempt in within(PROMPT):
        with attempt:
            assert not pods.passes(pods.edge("stranger", "client"))
            assert pods.passes(edge)
    pods.policy("deny", {"podSelector": {"matchLabels": {"app": "server"}}})
    for attempt in within(PROMPT):
        with attempt:
            assert not pods.passes(edge)


def test_a_service_is_as_reachable_as_its_pods(pods: Pods) -> None:
    pods.forget_policies()
    service = kubectl("get", "service", "-n", pods.one, "server", "-o", "jsonpath={.spec.clusterIP}")
    web = [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": "web"}]}]
    pods.policy("web", {"podSelector": {"matchLabels": {"app": "server"}}, "ingress": web})
    for attempt in within(PROMPT):
        with attempt:
            assert not pods.passes(pods.edge("stranger", service, 80))
            assert pods.passes(pods.edge("client", service, 80))
            assert not pods.passes(pods.edge("client", "server", PORTS[0]))


def test_a_pods_first_packet_passes(pods: Pods) -> None:
    """A dropped first packet would be sent again after a second at the earliest."""
    pods.forget_policies()
    code = START.format(address=NODE_IP, port=API_PORT)
    kubectl("apply", "-f", "-", document=pods.pod(pods.one, "starter", "-c", code, restartPolicy="Never"))
    kubectl("wait", "-n", pods.one, "pod/starter", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    assert float(kubectl("logs", "-n", pods.one, "starter")) < 0.9
