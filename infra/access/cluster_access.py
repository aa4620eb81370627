"""Who enters the cluster: people and programs by access entries, named one by one; nobody by having created it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import eks

from infra.settings import names
from infra.settings.values import Settings

ADMINISTRATOR = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


@dataclass(frozen=True)
class AccessArgs:
    """Who enters which cluster.

    Parameters
    ----------
    settings
        The environment.
    cluster_name
        The cluster.
    administrators
        ARNs of the principals that administer it, by what they are.
    """

    settings: Settings
    cluster_name: pulumi.Input[str]
    administrators: Mapping[str, pulumi.Input[str]]


class Access(pulumi.ComponentResource):
    """The entries; ``ids`` are known once each principal has its rights."""

    ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Access", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.ids = []
        for who, arn in args.administrators.items():
            entry = eks.AccessEntry(
                who,
                cluster_name=args.cluster_name,
                principal_arn=arn,
                type="STANDARD",
                tags=names.tags(args.settings.environment, phi=False),
                opts=child,
            )
            rights = eks.AccessPolicyAssociation(
                who,
                cluster_name=args.cluster_name,
                principal_arn=arn,
                policy_arn=ADMINISTRATOR,
                access_scope=eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[entry]),
            )
            self.ids.append(rights.id)
        self.register_outputs({})
