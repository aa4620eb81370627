"""Identity of a pod: its service account, and what its tokens are for."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.cluster.node_classes import Placement
from infra.databases.databases import DatabaseServer


@dataclass(frozen=True)
class PodIdentity:
    """Identity and placement of a workload's pods.

    Parameters
    ----------
    namespace, service_account
        The ServiceAccount.
    role_arn
        The IAM role; None for workloads that use nothing of AWS.
    vault_role
        The role in Vault; None for workloads that do not log in.
    labels, annotations
        Labels and annotations of the pods.
    placement
        Node selector and tolerations.
    priority_class
        PriorityClass of the pool.
    database
        The database server, for workloads with a login of it.
    """

    namespace: pulumi.Output[str]
    service_account: pulumi.Output[str]
    role_arn: pulumi.Output[str] | None
    vault_role: str | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    placement: Placement
    priority_class: str
    database: DatabaseServer | None = None

    @property
    def pod_metadata(self) -> ObjectMetaArgs:
        """Metadata of a pod template."""
        return ObjectMetaArgs(labels=dict(self.labels), annotations=dict(self.annotations) or None)
