"""EKS access entries: principals that administer the cluster, by name; its creator gets no implicit access."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import eks

from infra.settings import Settings, names

CLUSTER_ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


@dataclass(frozen=True)
class ClusterAccessArgs:
    """Arguments of the access entries.

    Parameters
    ----------
    settings
        The stack's settings.
    cluster_name
        Name of the cluster.
    administrators
        ARNs of the principals that administer it, by the entry's logical name.
    """

    settings: Settings
    cluster_name: pulumi.Input[str]
    administrators: Mapping[str, pulumi.Input[str]]


class ClusterAccess(pulumi.ComponentResource):
    """EKS access entries with their policies; ``ids`` resolve once the principals have access."""

    ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: ClusterAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Access", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.ids = []
        for administrator, arn in args.administrators.items():
            entry = eks.AccessEntry(
                administrator,
                cluster_name=args.cluster_name,
                principal_arn=arn,
                type="STANDARD",
                # By this group the admission policies know them.
                kubernetes_groups=[f"{names.DOMAIN}:{administrator}"],
                tags=names.tags(args.settings.environment, phi=False),
                opts=child,
            )
            association = eks.AccessPolicyAssociation(
                administrator,
                cluster_name=args.cluster_name,
                principal_arn=arn,
                policy_arn=CLUSTER_ADMIN_POLICY,
                access_scope=eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[entry]),
            )
            self.ids.append(association.id)
        self.register_outputs({})
