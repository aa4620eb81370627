"""State of the node and its pods, for the report of a test that failed: where packets go, and what is not ready."""

import json
from typing import Any

import httpx
from kubernetes import client

from local.cluster import host
from local.cluster.parts import NETPOL_HEALTH_URL
from local.paths import POD_CIDR, Home
from local.stack import jobs


def describe(home: Home) -> str:
    """Return a line for each running pod, with the link that its packets take, and the enforcer's health.

    A link of no running pod is named too: the route to a pod that no longer exists.
    """
    routes = {
        entry["dst"]: entry["dev"]
        for entry in json.loads(host.run("ip", "-json", "route", "show", "root", POD_CIDR) or "[]")
    }
    lines = []
    with jobs.connect(home) as api:
        core: Any = client.CoreV1Api(api)
        for pod in core.list_pod_for_all_namespaces().items:
            if pod.status.phase in ("Pending", "Running") and not pod.spec.host_network:
                lines.append(_line(pod, routes.pop(pod.status.pod_ip, "no route")))
    lines += [f"{address} by {link}: no running pod" for address, link in routes.items()]
    health = httpx.get(NETPOL_HEALTH_URL, timeout=5, trust_env=False)
    return "\n".join([*lines, f"policies: {health.status_code} {health.text.strip()[:500]}"])


def _line(pod: Any, link: str) -> str:
    states = pod.status.container_statuses or ()
    ready, restarts = sum(one.ready for one in states), sum(one.restart_count for one in states)
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    return f"{name} {pod.status.pod_ip} by {link}: {ready} of {len(states)} ready, {restarts} restarts"
