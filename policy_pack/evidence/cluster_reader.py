"""The cluster as it is, read by kubectl: objects as resources, never a Secret."""

import json
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

from policy_pack.errors import PackError
from policy_pack.stack.graph import Graph, Resource, canonical

Ask = Callable[[list[str]], str]
# What is read whether the stack declares it or not: rights, walls, and whatever runs.
_ALWAYS = (
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
_READ = {name.partition(".")[0] for name in _ALWAYS}
_SECRET = "secret"
OWNED = "ownerReferences"


def kubectl(arguments: list[str]) -> str:
    """Return what kubectl answers.

    Raises
    ------
    PackError
        When it is not there or the cluster does not answer.
    """
    try:
        done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        raise PackError("kubectl is not on the PATH; put it there, or leave --live away.") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1].rstrip(".")
        raise PackError(f"The cluster cannot be read ({said}); set KUBECONFIG, or leave --live away.")
    return done.stdout


def read(graph: Graph, ask: Ask = kubectl) -> list[Resource]:
    """Return the cluster's objects of every kind that matters or that a stack declares."""
    wanted = ",".join(dict.fromkeys([*_ALWAYS, *sorted(_declared(graph))]))
    try:
        items = json.loads(ask(["get", wanted, "--all-namespaces", "--output", "json"]))["items"]
        found = [_resource(item) for item in items]
    except (ValueError, KeyError, TypeError):
        raise PackError("kubectl did not answer with a list of objects; use a kubectl of the cluster's age.") from None
    return sorted(found, key=lambda resource: resource.urn)


def _declared(graph: Graph) -> Iterable[str]:
    for resource in graph:
        if resource.package != "kubernetes" or not resource.kind.startswith("k8s:"):
            continue
        _, module, kind = resource.type.split(":")
        group, _, version = module.partition("/")
        name = kind.lower()
        if name != _SECRET and group not in ("helm.sh", "yaml") and f"{name}s" not in _READ | {"networkpolicys"}:
            yield name if group == "core" else f"{name}.{version}.{group}"


def _resource(item: dict[str, Any]) -> Resource:
    version, kind, meta = item["apiVersion"], item["kind"], item["metadata"]
    type_ = f"kubernetes:{version if '/' in version else f'core/{version}'}:{kind}"
    place = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
    return Resource(urn=f"cluster::{canonical(type_)}::{place}", type=type_, name=meta["name"], props=item)
