"""The embedded environment: its parts, their identities, and what a killed part does."""

import functools
import json
import os
import signal
import ssl
import subprocess
import sys
import uuid
from base64 import b64encode
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import requests
from kubernetes import client

from local.cluster import host, openbao
from local.cluster.control_plane import ETCD_URL
from local.cluster.part import Part
from local.cluster.parts import parts
from local.cluster.supervision import Supervisor
from local.paths import API_URL, REPOSITORY, Home
from local.stack import jobs
from local.stack.stack import Stack
from local.tools import build
from local.tools.catalogue import GO_TOOLS
from tests.integration.support import eventually

MODEL = "readmission-risk-v1"
# For documentation (RFC 5737): no pod has an address of it.
OTHER_NETWORK = "198.51.100.0/24"
PARTS = (
    "cert-manager",
    "entry",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "openbao",
    "aws",
    "netpol",
    "containerd",
    "kubelet",
    "kube-proxy",
    "kserve",
    "injector",
    "metrics-server",
    "postgres",
    "keycloak",
)


@pytest.fixture(scope="module")
def known(home: Home) -> dict[str, Part]:
    return parts(home, {tool.name: build.folder(tool) for tool in GO_TOOLS})


def local(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def kubectl(kubeconfig: Path, *arguments: str) -> str:
    command = ["kubectl", f"--kubeconfig={kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def looked_at() -> tuple[int, dict[str, Any]]:
    done = local("status", "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_status_finds_every_part_and_hospital_well(home: Home) -> None:
    code, found = looked_at()
    everything = [*found["parts"], *found["hospitals"]]
    assert [(entry, entry["problem"]) for entry in everything if entry["problem"]] == []
    assert {row["name"] for row in found["parts"]} == set(PARTS)
    seen = {(entry["hospital"], entry["subject"].partition(" ")[0]) for entry in found["hospitals"]}
    hospitals = [entry["name"] for entry in Stack(home).working()]
    assert seen >= {
        (name, step)
        for name in hospitals
        for step in ("model", "planner", "care", "ingest", "features", "train", "release")
    }
    assert (code, found["well"], found["running"]) == (0, True, True)


def test_status_is_not_well_while_a_model_server_is_missing(home: Home) -> None:
    hospital = Stack(home).working()[0]["name"]
    with jobs.connect(home) as api:
        apps: Any = client.AppsV1Api(api)
        scaled = functools.partial(apps.patch_namespaced_deployment_scale, f"{MODEL}-predictor", f"{hospital}-serving")
        scaled({"spec": {"replicas": 0}})
        try:
            eventually(lambda: looked_at()[0] == 1)
            _, found = looked_at()
            told = [entry for entry in found["hospitals"] if entry["problem"]]
            assert "model" in {entry["subject"].partition(" ")[0] for entry in told}
            assert all(entry["advice"] for entry in told)
            assert {entry["hospital"] for entry in told} == {hospital}
            assert found["well"] is False
        finally:
            scaled({"spec": {"replicas": 1}})
    eventually(lambda: looked_at()[0] == 0, 180)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_killed_comes_back(home: Home, known: dict[str, Part], name: str) -> None:
    supervisor = Supervisor(home)
    first = supervisor.states()[name]["pid"]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: supervisor.states()[name]["pid"] not in (0, first))
    eventually(lambda: known[name].healthy(home) == "")


def test_the_whole_is_healthy_again_after_all_those_kills(home: Home, known: dict[str, Part]) -> None:
    eventually(lambda: all(part.healthy(home) == "" for part in known.values()))
    with jobs.connect(home) as api:
        node: Any = client.CoreV1Api(api)

        def ready() -> bool:
            status = node.list_node().items[0].status
            return any(entry.type == "Ready" and entry.status == "True" for entry in status.conditions or [])

        eventually(ready)


@pytest.mark.parametrize(
    ("identity", "verb", "resource", "allowed"),
    [
        ("netpol", "watch", "networkpolicies.networking.k8s.io", "yes"),
        ("netpol", "get", "secrets", "no"),
        ("netpol", "create", "pods", "no"),
        ("metrics-server", "get", "nodes/metrics", "yes"),
        ("metrics-server", "list", "secrets", "no"),
        ("kserve", "update", "inferenceservices.serving.kserve.io", "yes"),
        ("kserve", "delete", "namespaces", "no"),
        ("kube-scheduler", "get", "secrets", "no"),
        ("health", "list", "pods", "no"),
    ],
)
def test_each_part_may_do_its_own_work_alone(home: Home, identity: str, verb: str, resource: str, allowed: str) -> None:
    answer = kubectl(home.pki / f"{identity}.kubeconfig", "auth", "can-i", verb, resource, "--all-namespaces")
    assert answer == allowed


def test_the_api_server_answers_nobody_without_a_name() -> None:
    answer = requests.get(f"{API_URL}/api", verify=os.environ["AWS_CA_BUNDLE"], timeout=5)
    assert answer.status_code == 401


def test_no_cluster_certificate_opens_etcd(home: Home) -> None:
    certificate = (str(home.pki / "admin.crt"), str(home.pki / "admin.key"))
    with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError, ssl.SSLError)):
        requests.get(f"{ETCD_URL}/version", verify=str(home.pki / "etcd-ca.crt"), cert=certificate, timeout=5)
    own = (str(home.pki / "apiserver-etcd-client.crt"), str(home.pki / "apiserver-etcd-client.key"))
    answer = requests.get(f"{ETCD_URL}/version", verify=str(home.pki / "etcd-ca.crt"), cert=own, timeout=5)
    assert answer.status_code == 200


def test_secrets_are_not_plain_on_disk(home: Home) -> None:
    marker = f"plain-{uuid.uuid4().hex}"
    with jobs.connect(home) as api:
        core = client.CoreV1Api(api)
        name = f"marker-{uuid.uuid4().hex[:8]}"
        body = client.V1Secret(metadata=client.V1ObjectMeta(name=name), string_data={"key": marker})
        core.create_namespaced_secret("default", body)
        stored = b"".join(path.read_bytes() for path in (home.root / "etcd").rglob("*") if path.is_file())
        core.delete_namespaced_secret(name, "default")
    assert name.encode() in stored
    assert marker.encode() not in stored
    assert b64encode(marker.encode()) not in stored


def test_what_a_shell_evaluates_holds_no_secret(home: Home) -> None:
    said = local("env").stdout
    assert "export KUBECONFIG=" in said
    assert openbao.token_file(home).read_text().strip() not in said


def test_resource_metrics_are_served(home: Home) -> None:
    eventually(lambda: "Mi" in kubectl(home.kubeconfig, "top", "nodes", "--no-headers"))


def test_the_log_of_a_part_that_is_not_there_is_one_sentence() -> None:
    done = local("logs", "nothing")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Unknown part 'nothing'" in done.stderr


def test_the_link_of_a_pod_that_is_gone_is_removed_although_its_network_is_held(home: Home) -> None:
    name = f"t{uuid.uuid4().hex[:8]}"
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"], stdin=PIPE, stdout=PIPE)
    with holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == b"ready\n"
        host.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        host.run("ip", "address", "add", "198.51.100.1/32", "dev", name)
        host.run("ip", "link", "set", name, "up")
        host.run("ip", "route", "add", "198.51.100.9/32", "dev", name)
        assert host.pod_links(OTHER_NETWORK) == [name]
        host.remove_pod_links(OTHER_NETWORK)
        assert host.pod_links(OTHER_NETWORK) == []
        assert host.run("ip", "route", "show", "root", OTHER_NETWORK) == ""
        holder.stdin.close()
    # The running pods keep theirs.
    assert host.pod_links()
