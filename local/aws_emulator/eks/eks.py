"""EKS operations: moto's, completed with the embedded cluster's endpoint and access entries."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from moto.moto_api._internal import mock_random

from local.aws_emulator.eks.access import AccessEntries
from local.aws_emulator.eks.clusters import MODES, Cluster, Clusters
from local.aws_emulator.messages import Answer, AwsError, Request
from local.aws_emulator.moto.backend import Call
from local.aws_emulator.moto.routing import route
from local.aws_emulator.state import State

# Caller of a request, for the journal: the access key of a session does not identify its role.
CALLER: Final = "x-emulator-caller"

Perform = Callable[[Call], Answer]


class Eks:
    """EKS service of the emulator; call while holding moto's lock, with moto's randomness seeded.

    Parameters
    ----------
    clusters
        Registry of the clusters.
    state
        Reader of IAM users and roles.
    """

    def __init__(self, clusters: Clusters, state: State) -> None:
        self._clusters = clusters
        self._entries = AccessEntries(clusters, state)

    def perform(self, call: Call, moto: Perform) -> Answer:
        """Handle a request, using moto for operations that it supports.

        Raises
        ------
        AwsError
            When EKS would refuse it.
        """
        operation, named = route(call) or ("", {})
        asked = {**_body(call.request), **_query(call.request), **named}
        own: Mapping[str, Callable[[Call, Mapping[str, Any], Perform], Answer]] = {
            "CreateCluster": self._create,
            "UpdateClusterConfig": self._update,
            "UpdateClusterVersion": self._upgrade,
            "DeleteCluster": self._delete,
        }
        if operation in own:
            return own[operation](call, asked, moto)
        answer = self._entries.perform(operation, call.region, asked)
        return moto(call) if answer is None else _json(answer)

    def _create(self, call: Call, asked: Mapping[str, Any], moto: Perform) -> Answer:
        vpc = self._clusters.vpc(call.region, asked)
        answer = moto(call)
        if answer.status >= 400:
            return answer
        cluster = self._clusters.adopt(call.region, str(asked["name"]), vpc, asked)
        if cluster.bootstrap:
            self._entries.let_in(cluster, call.request.header(CALLER))
        return _describe(call, cluster, moto)

    def _update(self, call: Call, asked: Mapping[str, Any], moto: Perform) -> Answer:
        cluster = self._clusters.get(call.region, str(asked["name"]))
        before = self._clusters.network(cluster)
        mode = (asked.get("accessConfig") or {}).get("authenticationMode", cluster.mode)
        if mode not in MODES or MODES.index(mode) < MODES.index(cluster.mode):
            message = f"Unsupported authentication mode update from {cluster.mode} to {mode}"
            raise AwsError("InvalidRequestException", message, 400)
        answer = moto(call)
        if answer.status >= 400:
            return answer
        self._clusters.change(cluster, before, asked)
        return _updated("ConfigUpdate")

    def _upgrade(self, call: Call, asked: Mapping[str, Any], _moto: Perform) -> Answer:
        cluster = self._clusters.get(call.region, str(asked["name"]))
        self._clusters.set_version(cluster, str(asked["version"]))
        return _updated("VersionUpdate")

    def _delete(self, call: Call, asked: Mapping[str, Any], moto: Perform) -> Answer:
        cluster = self._clusters.get(call.region, str(asked["name"]))
        if self._clusters.is_protected(cluster):
            message = f"Cluster {cluster.name} cannot be deleted: its deletion protection is on"
            raise AwsError("InvalidRequestException", message, 400)
        answer = moto(call)
        if answer.status < 400:
            self._clusters.forget(cluster)
        return answer


def _body(request: Request) -> dict[str, Any]:
    try:
        read = json.loads(request.body or b"{}")
    except ValueError:
        raise AwsError("InvalidParameterException", "The request body is not JSON", 400) from None
    return dict(read)


def _query(request: Request) -> dict[str, Any]:
    read = parse_qs(request.query)
    return {name: values if name == "tagKeys" else values[-1] for name, values in read.items()}


def _json(content: Mapping[str, Any]) -> Answer:
    return Answer(200, (("Content-Type", "application/json"),), json.dumps(content).encode())


def _describe(call: Call, cluster: Cluster, moto: Perform) -> Answer:
    request = Request("GET", f"/clusters/{cluster.name}", (), b"")
    return moto(Call(request, call.service, call.region, call.access_key))


def _updated(kind: str) -> Answer:
    update = {"id": str(mock_random.uuid4()), "status": "Successful", "type": kind, "params": [], "errors": []}
    return _json({"update": {**update, "createdAt": time.time()}})
