"""A cluster of one namespace, in which each pod's label ``app`` is the last number of its address."""

from typing import Any

from tests.netpol.lab import Lab
from tests.netpol.reference import Cluster


def _app(address: str) -> str:
    return address.rsplit(".", 1)[1]


def cluster(lab: Lab, *policies: dict[str, Any], unknown: str = "") -> Cluster:
    """Return the cluster with these policies; the pod of the address ``unknown`` is not part of it."""
    pods = [
        {
            "metadata": {"uid": address, "name": address, "namespace": "red", "labels": {"app": _app(address)}},
            "spec": {},
            "status": {"phase": "Running", "podIP": address},
        }
        for address in lab.addresses
        if address != unknown
    ]
    return lab.cluster([{"metadata": {"uid": "red", "name": "red", "labels": {}}}], pods, list(policies))


def policy(address: str, **spec: Any) -> dict[str, Any]:
    """Return a policy about the pod of an address."""
    meta = {"uid": f"about-{address}", "name": f"about-{address}", "namespace": "red"}
    return {"metadata": meta, "spec": {"podSelector": {"matchLabels": {"app": _app(address)}}, **spec}}


def peers(address: str) -> list[dict[str, Any]]:
    """Return the peers of a rule that names the pod of an address."""
    return [{"podSelector": {"matchLabels": {"app": _app(address)}}}]
