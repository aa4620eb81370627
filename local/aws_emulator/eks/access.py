"""EKS access entries: IAM principals with access to a cluster, and their Kubernetes users and groups.

The embedded cluster supports the policy ``AmazonEKSClusterAdminPolicy``, as the group ``system:masters``; it rejects
the association of any other, which only EKS's own authorizer can enforce.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.moto_api._internal import mock_random

from local.aws_emulator.eks.clusters import AccessEntry, Cluster, Clusters
from local.aws_emulator.messages import ACCOUNT, AwsError
from local.aws_emulator.state import State

ADMIN_POLICY: Final = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
_CLUSTER_SCOPE: Final = {"type": "cluster"}
_RESERVED: Final = ("system:", "eks:", "aws:", "amazon:", "iam:")

Asked = Mapping[str, Any]


class AccessEntries:
    """Operations on EKS access entries.

    Parameters
    ----------
    clusters
        Registry of the clusters.
    state
        Reader of IAM users and roles.
    """

    def __init__(self, clusters: Clusters, state: State) -> None:
        self._clusters = clusters
        self._state = state
        self._operations: Mapping[str, Callable[[Cluster, Asked], dict[str, Any]]] = {
            "CreateAccessEntry": self._create,
            "DescribeAccessEntry": lambda cluster, asked: _shown(cluster, _entry(cluster, asked)),
            "ListAccessEntries": self._list,
            "UpdateAccessEntry": self._update,
            "DeleteAccessEntry": self._delete,
            "AssociateAccessPolicy": self._associate,
            "ListAssociatedAccessPolicies": self._associated,
            "DisassociateAccessPolicy": self._disassociate,
        }

    def perform(self, operation: str, region: str, asked: Asked) -> dict[str, Any] | None:
        """Handle an operation; return None if it is not one on access entries."""
        if ":access-entry/" in str(asked.get("resourceArn", "")):
            return self._tags(operation, region, asked)
        answer = self._operations.get(operation)
        if answer is None:
            return None
        cluster = self._clusters.get(region, str(asked["name"]))
        if cluster.mode == "CONFIG_MAP":
            message = (
                "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this "
                "operation."
            )
            raise AwsError("InvalidRequestException", message, 400)
        return answer(cluster, asked)

    def let_in(self, cluster: Cluster, principal: str) -> None:
        """Grant cluster administration to the creator of a cluster, as EKS does."""
        entry = self._new(cluster, principal, {})
        entry.policies[ADMIN_POLICY] = _association(ADMIN_POLICY)

    def _new(self, cluster: Cluster, principal: str, asked: Asked) -> AccessEntry:
        kind, _, name = principal.rpartition(":")[2].partition("/")
        place = f"access-entry/{cluster.name}/{kind}/{ACCOUNT}/{name.rpartition('/')[2]}/{mock_random.uuid4()}"
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name.rpartition('/')[2]}/{{{{SessionName}}}}"
        entry = AccessEntry(
            principal=principal,
            arn=f"arn:aws:eks:{cluster.region}:{ACCOUNT}:{place}",
            username=asked.get("username") or (session if kind == "role" else principal),
            groups=list(asked.get("kubernetesGroups") or []),
            tags=dict(asked.get("tags") or {}),
            created=time.time(),
            modified=time.time(),
        )
        cluster.entries[principal] = entry
        return entry

    def _create(self, cluster: Cluster, asked: Asked) -> dict[str, Any]:
        principal = str(asked["principalArn"])
        if asked.get("type", "STANDARD") != "STANDARD":
            raise AwsError("NotEmulated", f"Not emulated: access entries of type {asked['type']}", 501)
        if principal in cluster.entries:
            message = "The specified access entry resource is already in use on this cluster."
            raise AwsError("ResourceInUseException", message, 409)
        if not self._state.has_principal(principal):
            message = "The specified principalArn is invalid: invalid principal."
            raise AwsError("InvalidParameterException", message, 400)
        _refuse_reserved(asked)
        return _shown(cluster, self._new(cluster, principal, asked))

    def _list(self, cluster: Cluster, asked: Asked) -> dict[str, Any]:
        policy = asked.get("associatedPolicyArn")
        entries = cluster.entries.values()
        return {"accessEntries": [e.principal for e in entries if policy is None or policy in e.policies]}

    def _update(self, cluster: Cluster, asked: Asked) -> dict[str, Any]:
        entry = _entry(cluster, asked)
        _refuse_reserved(asked)
        entry.groups = list(asked.get("kubernetesGroups", entry.groups))
        entry.username = str(asked.get("username", entry.username))
        entry.modified = time.time()
        return _shown(cluster, entry)

    def _delete(self, cluster: Cluster, asked: Asked) -> dict[str, Any]:
        del cluster.entries[_entry(cluster, asked).principal]
        return {}

    def _associate(self, cluster: Cluster, asked: Asked) -> dict[str, Any]:
        entry, policy = _entry(cluster, asked), str(asked["policyArn"])
        if policy != ADMIN_POLICY or asked["accessScope"]["type"] != "cluster":
            message = f"Not emulated: {policy} with the scope {asked['accessScope']['type']}"
            raise AwsError("NotEmulated", message, 501)
        entry.policies[policy] = _association(policy)
        answer = {"clusterName": cluster.name, "principalArn": entry.principal}
        return {**answer, "associatedAccessPolicy": entry.policies[policy]}

    def _associated(self, cluster: Cluster, asked: Asked) -> dict[str, Any]:
        entry = _entry(cluster, asked)
        answer = {"clusterName": cluster.name, "principalArn": entry.principal}
        return {**answer, "associatedAccessPolicies": list(entry.policies.values())}

    def _disassociate(self, cluster: Cluster, asked: Asked) -> dict[str, Any]:
        policies = _entry(cluster, asked).policies
        if policies.pop(str(asked["policyArn"]), None) is None:
            message = "The specified policyArn is not associated with the access entry."
            raise AwsError("ResourceNotFoundException", message, 404)
        return {}

    def _tags(self, operation: str, region: str, asked: Asked) -> dict[str, Any]:
        arn = str(asked["resourceArn"])
        entries = [e for c in self._clusters if c.region == region for e in c.entries.values() if e.arn == arn]
        if not entries:
            raise AwsError("NotFoundException", f"No access entry {arn}", 404)
        tags = entries[0].tags
        if operation == "TagResource":
            tags.update(asked["tags"])
        elif operation == "UntagResource":
            for key in asked["tagKeys"]:
                tags.pop(key, None)
        return {"tags": tags} if operation == "ListTagsForResource" else {}


def _entry(cluster: Cluster, asked: Asked) -> AccessEntry:
    entry = cluster.entries.get(str(asked["principalArn"]))
    if entry is None:
        message = f"The specified principalArn could not be found: {asked['principalArn']}"
        raise AwsError("ResourceNotFoundException", message, 404)
    return entry


def _refuse_reserved(asked: Asked) -> None:
    names = [*(asked.get("kubernetesGroups") or []), asked.get("username") or ""]
    for name in names:
        if name.startswith(_RESERVED) and not name.startswith("arn:"):
            message = f"The name '{name}' is not allowed: it starts with one of {', '.join(_RESERVED)}"
            raise AwsError("InvalidParameterException", message, 400)


def _association(policy: str) -> dict[str, Any]:
    now = time.time()
    scope = {**_CLUSTER_SCOPE, "namespaces": []}
    return {"policyArn": policy, "accessScope": scope, "associatedAt": now, "modifiedAt": now}


def _shown(cluster: Cluster, entry: AccessEntry) -> dict[str, Any]:
    shown = {
        "clusterName": cluster.name,
        "principalArn": entry.principal,
        "kubernetesGroups": entry.groups,
        "accessEntryArn": entry.arn,
        "createdAt": entry.created,
        "modifiedAt": entry.modified,
        "tags": entry.tags,
        "username": entry.username,
        "type": "STANDARD",
    }
    return {"accessEntry": shown}
