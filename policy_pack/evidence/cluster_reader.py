"""Reader of the cluster by kubectl: objects as resources, never Secrets."""

import json
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

from policy_pack.errors import PackError
from policy_pack.stack.graph import Graph, Resource, canonical

Kubectl = Callable[[list[str]], str]
# Kinds that are always read, declared or not: RBAC, NetworkPolicies, namespaces and workloads.
_ALWAYS_READ = (
    "namespaces",
    "serviceaccounts",
    "networkpolicies.networking.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "pods",
    "services",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "cronjobs.batch",
)
_ALWAYS_READ_NAMES = {name.partition(".")[0] for name in _ALWAYS_READ}
_SECRET = "secret"


def kubectl(arguments: list[str]) -> str:
    """Return the output of kubectl.

    Raises
    ------
    PackError
        When kubectl is not installed or the cluster does not answer.
    """
    try:
        process = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        raise PackError("kubectl is not on the PATH; install it, or omit --live cluster.") from None
    if process.returncode != 0:
        reason = (process.stderr.strip().splitlines() or ["no reason given"])[-1].rstrip(".")
        raise PackError(f"The cluster cannot be read ({reason}); set KUBECONFIG, or omit --live cluster.")
    return process.stdout


def read(graph: Graph, run_kubectl: Kubectl = kubectl) -> list[Resource]:
    """Return the objects of the cluster of all kinds that are always read or that a stack declares."""
    kinds = ",".join(dict.fromkeys([*_ALWAYS_READ, *sorted(_declared(graph))]))
    try:
        items = json.loads(run_kubectl(["get", kinds, "--all-namespaces", "--output", "json"]))["items"]
        resources = [_resource(item) for item in items]
    except (ValueError, KeyError, TypeError):
        raise PackError("kubectl did not return a list of objects; use a kubectl of the cluster's version.") from None
    return sorted(resources, key=lambda resource: resource.urn)


def _declared(graph: Graph) -> Iterable[str]:
    for resource in graph:
        if resource.package != "kubernetes" or not resource.kind.startswith("k8s:"):
            continue
        _, module, kind = resource.type.split(":")
        group, _, version = module.partition("/")
        name = kind.lower()
        always_read = f"{name}s" in _ALWAYS_READ_NAMES | {"networkpolicys"}
        if name != _SECRET and group not in ("helm.sh", "yaml") and not always_read:
            yield name if group == "core" else f"{name}.{version}.{group}"


def _resource(item: dict[str, Any]) -> Resource:
    version, kind, metadata = item["apiVersion"], item["kind"], item["metadata"]
    type_ = f"kubernetes:{version if '/' in version else f'core/{version}'}:{kind}"
    qualified_name = f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]
    return Resource(urn=f"cluster::{canonical(type_)}::{qualified_name}", type=type_, name=metadata["name"], props=item)
