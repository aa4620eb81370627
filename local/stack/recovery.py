"""Recovery of an interrupted `pulumi up`: adopts resources in creation, so that none is created twice.

The engine records each creation before and after the request to the server. If it is killed in between, the
object may exist without being in the state. Existing objects are adopted, and the records of others are removed.
Types that are not listed have idempotent creations, so creating them again is harmless.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import hvac
from botocore.config import Config
from botocore.exceptions import ClientError
from kubernetes import dynamic
from kubernetes.client.exceptions import ApiException

from local.paths import Home
from local.stack import jobs

Inputs = Mapping[str, Any]
Find = Callable[[Inputs, frozenset[str]], str]

_ABSENT = ("404", "NoSuchEntity", "NoSuchBucket", "NotFound")


def _bucket(inputs: Inputs, _known: frozenset[str]) -> str:
    name = str(inputs["bucket"])
    boto3.client("s3", config=Config(s3={"addressing_style": "path"})).head_bucket(Bucket=name)
    return name


def _role(inputs: Inputs, _known: frozenset[str]) -> str:
    name = str(inputs["name"])
    boto3.client("iam").get_role(RoleName=name)
    return name


def _oidc_provider(inputs: Inputs, _known: frozenset[str]) -> str:
    host = str(inputs["url"]).removeprefix("https://")
    listed = boto3.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return next((entry["Arn"] for entry in listed if entry["Arn"].endswith(f"/{host}")), "")


def _alias(inputs: Inputs, _known: frozenset[str]) -> str:
    name = str(inputs["name"])
    pages = boto3.client("kms").get_paginator("list_aliases").paginate()
    return next((name for page in pages for entry in page["Aliases"] if entry["AliasName"] == name), "")


def _key(inputs: Inputs, known_ids: frozenset[str]) -> str:
    """Find a KMS key with this description that is not in the state."""
    service = boto3.client("kms")
    for page in service.get_paginator("list_keys").paginate():
        for entry in page["Keys"]:
            if entry["KeyId"] in known_ids:
                continue
            description = service.describe_key(KeyId=entry["KeyId"])["KeyMetadata"]
            if description["Enabled"] and description.get("Description") == inputs.get("description"):
                return str(entry["KeyId"])
    return ""


def _vault() -> hvac.Client:
    # hvac reads the CA variables at import time, before they are set.
    return hvac.Client(verify=os.environ["VAULT_CACERT"])


def _mount(inputs: Inputs, _known: frozenset[str]) -> str:
    path = str(inputs["path"])
    return path if f"{path}/" in _vault().sys.list_mounted_secrets_engines()["data"] else ""


def _auth(inputs: Inputs, _known: frozenset[str]) -> str:
    path = str(inputs.get("path") or inputs["type"])
    return path if f"{path}/" in _vault().sys.list_auth_methods()["data"] else ""


FINDERS: dict[str, Find] = {
    "aws:s3/bucket:Bucket": _bucket,
    "aws:iam/role:Role": _role,
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": _oidc_provider,
    "aws:kms/alias:Alias": _alias,
    "aws:kms/key:Key": _key,
    "vault:index/mount:Mount": _mount,
    "vault:index/authBackend:AuthBackend": _auth,
}


def _kubernetes(home: Home, inputs: Inputs) -> str:
    metadata = inputs.get("metadata", {})
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not name:
        return ""
    discover: Any = dynamic.DynamicClient
    with jobs.connect(home) as api:
        try:
            kind = discover(api).resources.get(api_version=inputs["apiVersion"], kind=inputs["kind"])
            kind.get(name=name, namespace=namespace)
        except ApiException as error:
            if error.status == 404:
                return ""
            raise
    return f"{namespace}/{name}" if namespace else str(name)


def existing(home: Home, resource: Mapping[str, Any], known_ids: frozenset[str]) -> str:
    """Return the id of a resource whose creation was interrupted; empty if it does not exist."""
    kind, inputs = str(resource["type"]), resource.get("inputs", {})
    if kind.startswith("kubernetes:"):
        return _kubernetes(home, inputs)
    find = FINDERS.get(kind)
    if find is None:
        return ""
    try:
        return find(inputs, known_ids)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return ""
        raise


def interrupted(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the resources with a pending creation."""
    pending = state["deployment"].get("pending_operations") or []
    return [operation["resource"] for operation in pending if operation["type"] == "creating"]


def repaired(home: Home, state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the state with the pending creations resolved, and the adopted URNs.

    Existing objects are recorded with their ids, for a refresh to read; the others are removed.
    """
    deployment = state["deployment"]
    resources = list(deployment.get("resources") or [])
    known_ids = frozenset(str(entry.get("id", "")) for entry in resources)
    urns = {entry["urn"] for entry in resources}
    gained = []
    for resource in interrupted(state):
        identity = existing(home, resource, known_ids)
        if identity and resource["urn"] not in urns:
            gained.append({**resource, "id": identity, "outputs": resource.get("inputs", {})})
    settled = {**deployment, "resources": [*resources, *gained], "pending_operations": []}
    return {**state, "deployment": settled}, [entry["urn"] for entry in gained]
