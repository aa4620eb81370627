"""`pulumi destroy` leaves nothing behind, and the stack is built again. Runs last."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import hvac
import pytest
from kubernetes import client
from rich.console import Console

from local.paths import BAO_URL, REPOSITORY, Home
from local.progress import steps_on
from local.stack import jobs
from local.stack.settings import CONFIG
from local.stack.stack import Stack
from tests.integration.support import pulumi, steps

OWN = (
    "cert-manager",
    "default",
    "envoy-gateway-system",
    "kserve",
    "kube-node-lease",
    "kube-public",
    "kube-system",
)


@pytest.fixture(scope="module", autouse=True)
def destroyed(home: Home, started_empty: bool) -> Iterator[None]:
    before = CONFIG.read_text()
    pulumi("destroy", "--yes", "--skip-preview")
    yield
    if started_empty:
        # `make up` did the rest from nothing when the tests began, and nobody's environment is to be restored.
        stack = Stack(home)
        for hospital in stack.declared():
            stack.unset_releases(hospital["name"])
        with steps_on(Console())() as tell:
            stack.up(tell)
    else:
        done = subprocess.run([sys.executable, "-m", "local", "up"], cwd=REPOSITORY, check=False)
        assert done.returncode == 0
    assert set(steps()) == {"same"}
    assert CONFIG.read_text() == before


def test_the_cluster_holds_nothing_of_the_stack(home: Home) -> None:
    with jobs.connect(home) as api:
        core: Any = client.CoreV1Api(api)
        custom: Any = client.CustomObjectsApi(api)
        rights: Any = client.RbacAuthorizationV1Api(api)
        assert {entry.metadata.name for entry in core.list_namespace().items} == set(OWN)
        assert (
            custom.list_cluster_custom_object("serving.kserve.io", "v1alpha1", "clusterstoragecontainers")["items"]
            == []
        )
        bindings = [entry.metadata.name for entry in rights.list_cluster_role_binding().items]
        assert not [name for name in bindings if "north" in name or "south" in name]


def test_the_account_holds_nothing_of_the_stack() -> None:
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    roles = [entry["RoleName"] for entry in boto3.client("iam").list_roles()["Roles"]]
    assert not [name for name in roles if name.startswith("hmlops-")]
    assert boto3.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    keys = boto3.client("kms")
    described = [keys.describe_key(KeyId=entry["KeyId"])["KeyMetadata"] for entry in keys.list_keys()["Keys"]]
    assert {entry["KeyState"] for entry in described} <= {"PendingDeletion"}


def test_vault_holds_nothing_of_the_stack() -> None:
    vault = hvac.Client(url=BAO_URL, token=os.environ["VAULT_TOKEN"], verify=os.environ["VAULT_CACERT"])
    mounts = vault.sys.list_mounted_secrets_engines()["data"]
    assert not [path for path in mounts if path.startswith(("north/", "south/"))]
    assert "kubernetes/" not in vault.sys.list_auth_methods()["data"]
    policies = vault.list("sys/policies/acl")["data"]["keys"]
    assert not [name for name in policies if name.startswith(("north-", "south-"))]
