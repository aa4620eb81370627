"""What one hospital or workload may not do, tried with its own token, key and packets."""

import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import hvac
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from kubernetes import client
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.hospitals.pipeline import bucket
from local.paths import API_PORT, AWS_PORT, BAO_PORT, BAO_URL, NODE_IP
from tests.integration.cluster.pod_templates import ZONE, pod_template

AUDIENCE = "sts.amazonaws.com"
CONNECT = """
import json, socket, sys
opened = {}
for target in json.loads(sys.argv[1]):
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        opened[target] = True
    except OSError:
        opened[target] = False
print(json.dumps(opened))
"""
LISTEN = """
import socket
server = socket.create_server(("0.0.0.0", 8080))
while True:
    server.accept()[0].close()
"""


def token(api: client.ApiClient, hospital: str, workload: str, audience: str | None) -> str:
    spec = client.V1TokenRequestSpec(audiences=[audience] if audience else [], expiration_seconds=600)
    core: Any = client.CoreV1Api(api)
    namespace = f"{hospital}-{ZONE[workload]}"
    made = core.create_namespaced_service_account_token(
        workload, namespace, client.AuthenticationV1TokenRequest(spec=spec)
    )
    return str(made.status.token)


def assume(api: client.ApiClient, hospital: str, workload: str, role_of: str | None = None) -> Any:
    role = f"arn:aws:iam::123456789012:role/hmlops-dev-{role_of or hospital}-{workload}"
    identity = boto3.client("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="test", WebIdentityToken=token(api, hospital, workload, AUDIENCE)
    )["Credentials"]
    return boto3.client(
        "s3",
        aws_access_key_id=identity["AccessKeyId"],
        aws_secret_access_key=identity["SecretAccessKey"],
        aws_session_token=identity["SessionToken"],
        config=Config(s3={"addressing_style": "path"}),
    )


def refused(error: pytest.ExceptionInfo[ClientError]) -> bool:
    return error.value.response["Error"]["Code"] in ("AccessDenied", "403", "InvalidIdentityToken")


def test_the_pipeline_reaches_what_it_needs(api: client.ApiClient) -> None:
    assert assume(api, "north", "ingestor").list_objects_v2(Bucket=bucket("north", "raw"), Prefix="landing/")[
        "KeyCount"
    ]
    features = assume(api, "north", "trainer").get_object(
        Bucket=bucket("north", "curated"), Key="features/features.parquet"
    )
    assert features["ContentLength"] > 0
    models = assume(api, "north", "model-server")
    assert models.list_objects_v2(Bucket=bucket("north", "models"), Prefix="readmission/")["KeyCount"]


@pytest.mark.parametrize(
    ("workload", "owner", "data_class", "key"),
    [
        ("ingestor", "south", "raw", "landed.json"),
        ("trainer", "south", "curated", "features/features.parquet"),
        ("trainer", "north", "raw", "landed.json"),
        ("features", "north", "raw", "landed.json"),
        ("model-server", "north", "curated", "features/features.parquet"),
        ("model-server", "south", "models", "readmission/"),
        ("planner", "north", "raw", "landed.json"),
        ("planner", "south", "models", "readmission/"),
    ],
)
def test_a_role_of_north_does_not_read_what_is_not_its_own(
    api: client.ApiClient, workload: str, owner: str, data_class: str, key: str
) -> None:
    store = assume(api, "north", workload)
    with pytest.raises(ClientError) as error:
        store.get_object(Bucket=bucket(owner, data_class), Key=key)
    assert refused(error)


@pytest.mark.parametrize("workload", ["model-server", "trainer", "ingestor"])
def test_nobody_but_promotion_writes_releases(api: client.ApiClient, workload: str) -> None:
    with pytest.raises(ClientError) as error:
        assume(api, "north", workload).put_object(
            Bucket=bucket("north", "models"), Key="readmission/v1/forged", Body=b"", IfNoneMatch="*"
        )
    assert refused(error)


def test_promotion_replaces_no_file_of_a_release(api: client.ApiClient) -> None:
    promoter, models = assume(api, "north", "promoter"), bucket("north", "models")
    key = promoter.list_objects_v2(Bucket=models, Prefix="readmission/")["Contents"][0]["Key"]
    for condition, code in (({}, "AccessDenied"), ({"IfNoneMatch": "*"}, "PreconditionFailed")):
        with pytest.raises(ClientError) as error:
            promoter.put_object(Bucket=models, Key=key, Body=b"", **condition)
        assert error.value.response["Error"]["Code"] == code
    for deletion in (promoter.delete_object, assume(api, "north", "trainer").delete_object):
        with pytest.raises(ClientError) as error:
            deletion(Bucket=models, Key=key)
        assert refused(error)


def test_training_signs_nothing(api: client.ApiClient, vault: hvac.Client) -> None:
    with pytest.raises((hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest)):
        vault.auth.kubernetes.login("north-promoter", token(api, "north", "trainer", None))
    vault.auth.kubernetes.login("north-trainer", token(api, "north", "trainer", None))
    for key in ("release-signing", "audit-signing"):
        with pytest.raises(hvac.exceptions.Forbidden):
            vault.write(f"north/transit/sign/{key}", input="cmVsZWFzZQ==")
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.read("north/database/creds/warehouse-writer")


def test_a_token_of_north_does_not_assume_a_role_of_south(api: client.ApiClient) -> None:
    with pytest.raises(ClientError) as error:
        assume(api, "north", "trainer", role_of="south")
    assert refused(error)


@pytest.fixture
def vault() -> Iterator[hvac.Client]:
    found = hvac.Client(url=BAO_URL, verify=os.environ["VAULT_CACERT"])
    found.token = ""
    yield found
    found.adapter.close()


def test_vault_hashes_for_the_ingestor_of_the_same_hospital_alone(api: client.ApiClient, vault: hvac.Client) -> None:
    vault.auth.kubernetes.login("north-ingestor", token(api, "north", "ingestor", None))
    made = vault.write("north/transit/hmac/pseudonym", input="bm9ib2R5")
    assert made["data"]["hmac"].startswith("vault:v1:")
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.write("south/transit/hmac/pseudonym", input="bm9ib2R5")
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.write("north/transit/sign/release-signing", input="bm9ib2R5")


@pytest.mark.parametrize(
    ("hospital", "workload", "role"),
    [
        ("north", "ingestor", "south-ingestor"),
        ("north", "ingestor", "north-promoter"),
        ("north", "planner", "north-ingestor"),
    ],
)
def test_vault_knows_each_workload_by_its_own_name(
    api: client.ApiClient, vault: hvac.Client, hospital: str, workload: str, role: str
) -> None:
    with pytest.raises((hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest)):
        vault.auth.kubernetes.login(role, token(api, hospital, workload, None))


class Pods:
    """Pods of the stack's own templates that run a few lines of the test's."""

    def __init__(self, api: client.ApiClient) -> None:
        self._core: Any = client.CoreV1Api(api)
        self._api = api
        self._made: list[tuple[str, str]] = []
        self._namespaces: list[str] = []

    def run(self, hospital: str, workload: str, code: str, *arguments: str) -> tuple[str, str]:
        namespace = f"{hospital}-{ZONE[workload]}"
        template = pod_template(self._api, hospital, workload)
        spec = template.spec
        spec.init_containers = None
        spec.containers[0].args = ["-c", code, *arguments]
        name = f"probe-{uuid.uuid4().hex[:8]}"
        metadata = client.V1ObjectMeta(name=name, labels=template.metadata.labels)
        self._core.create_namespaced_pod(namespace, client.V1Pod(metadata=metadata, spec=spec))
        self._made.append((name, namespace))
        return name, namespace

    def outsider(self, likeness: str, workload: str, code: str, *arguments: str) -> tuple[str, str]:
        """Start a pod with the labels of a workload, in a new namespace with the labels of another."""
        labels = self._core.read_namespace(likeness).metadata.labels
        name = f"forged-{uuid.uuid4().hex[:8]}"
        own = {key: value for key, value in labels.items() if key != "kubernetes.io/metadata.name"}
        self._core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name, labels=own)))
        self._namespaces.append(name)
        template = pod_template(self._api, likeness.partition("-")[0], workload)
        container = template.spec.containers[0]
        container.env, container.volume_mounts, container.args = None, None, ["-c", code, *arguments]
        account = client.V1ObjectMeta(name=workload)
        self._core.create_namespaced_service_account(name, client.V1ServiceAccount(metadata=account))
        spec = client.V1PodSpec(
            containers=[container],
            restart_policy="Never",
            service_account_name=workload,
            automount_service_account_token=False,
            priority_class_name=template.spec.priority_class_name,
            security_context=template.spec.security_context,
        )
        metadata = client.V1ObjectMeta(name=name, labels=template.metadata.labels)
        self._core.create_namespaced_pod(name, client.V1Pod(metadata=metadata, spec=spec))
        return name, name

    def rename(self, namespace: str, name: str) -> str:
        """Try to give a namespace another's name as its label, and return what the API server keeps."""
        labels = {"metadata": {"labels": {"kubernetes.io/metadata.name": name}}}
        kept = self._core.patch_namespace(namespace, labels).metadata.labels
        return str(kept["kubernetes.io/metadata.name"])

    def said(self, name: str, namespace: str) -> dict[str, bool]:
        """Return what a pod found, once it has ended."""
        self.wait(name, namespace, "Succeeded", "Failed")
        found: dict[str, bool] = json.loads(self._core.read_namespaced_pod_log(name, namespace).splitlines()[-1])
        self._core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
        return found

    def wait(self, name: str, namespace: str, *phases: str) -> Any:
        wait = Retrying(
            stop=stop_after_delay(90),
            wait=wait_fixed(0.3),
            retry=retry_if_result(lambda pod: pod.status.phase not in phases),
        )
        return wait(lambda: self._core.read_namespaced_pod(name, namespace))

    def connect(self, hospital: str, workload: str, targets: list[str]) -> dict[str, bool]:
        name, namespace = self.run(hospital, workload, CONNECT, json.dumps(targets))
        return self.said(name, namespace)

    def listener(self, hospital: str, workload: str) -> str:
        name, namespace = self.run(hospital, workload, LISTEN)
        return f"{self.wait(name, namespace, 'Running').status.pod_ip}:8080"

    def model_server(self, hospital: str) -> str:
        pods = self._core.list_namespaced_pod(
            f"{hospital}-serving", label_selector="app.kubernetes.io/name=model-server"
        )
        return f"{pods.items[0].status.pod_ip}:8443"

    def close(self) -> None:
        for name, namespace in self._made:
            try:
                self._core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
            except client.exceptions.ApiException as error:
                if error.status != 404:
                    raise
        for namespace in self._namespaces:
            self._core.delete_namespace(namespace)


@pytest.fixture(scope="module")
def pods(api: client.ApiClient) -> Iterator[Pods]:
    found = Pods(api)
    yield found
    found.close()


VAULT, AWS, KUBERNETES = (f"{NODE_IP}:{port}" for port in (BAO_PORT, AWS_PORT, API_PORT))


def test_packets_go_where_the_table_says_and_nowhere_else(pods: Pods) -> None:
    north, south, phi = pods.model_server("north"), pods.model_server("south"), pods.listener("north", "ingestor")
    everything = [north, south, phi, VAULT, AWS, KUBERNETES]
    allowed = {
        ("north", "planner"): {north, VAULT, AWS},
        ("south", "planner"): {south, VAULT, AWS},
        ("north", "trainer"): {VAULT, AWS},
        ("north", "promoter"): {VAULT, AWS},
        ("north", "features"): {VAULT, AWS},
        ("south", "ingestor"): {VAULT, AWS},
    }
    found = {who: {target for target, opened in pods.connect(*who, everything).items() if opened} for who in allowed}
    assert found == allowed


def test_a_namespace_with_forged_labels_reaches_no_pod_of_a_zone(pods: Pods) -> None:
    targets = [pods.model_server("north"), pods.listener("north", "ingestor"), KUBERNETES]
    name, namespace = pods.outsider("north-serving", "planner", CONNECT, json.dumps(targets))
    assert pods.said(name, namespace) == dict.fromkeys(targets, False) | {KUBERNETES: True}


def test_the_api_server_alone_sets_the_label_by_which_zones_are_selected(pods: Pods) -> None:
    _, namespace = pods.outsider("north-serving", "planner", "pass")
    assert pods.rename(namespace, "north-serving") == namespace
