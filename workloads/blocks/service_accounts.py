"""ServiceAccount of a workload, with the permissions of its IAM role and its login to Vault."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.rbac import v1 as rbac

from infra.blocks.bucket import BucketRef
from infra.blocks.bucket_grants import BucketGrant
from infra.blocks.role_policies import SecretAccess, bucket_role_policy, secret_role_policy
from infra.blocks.workload_roles import WorkloadRole
from infra.cluster.node_classes import Placement
from infra.cluster.pools import priority_class
from infra.databases.databases import DatabaseServer
from infra.settings import DataClass, Settings, names
from workloads.blocks.pod_identity import PodIdentity
from workloads.zones.workload_table import Workload


@dataclass(frozen=True)
class WorkloadAccountArgs:
    """Arguments of a workload's ServiceAccount.

    Parameters
    ----------
    settings, hospital
        The stack's settings, and the hospital's name.
    workload, grants
        The row of the workload table, and its bucket permissions.
    namespace
        The namespace of its zone.
    role
        The IAM role; None for a workload that uses nothing of AWS.
    buckets
        The hospital's buckets.
    placement
        Node selector and tolerations of its pods.
    database
        The database server; None for a workload that does not use it.
    secret
        The secret in Secrets Manager that it reads; None for none.
    """

    settings: Settings
    hospital: str
    workload: Workload
    grants: Sequence[BucketGrant]
    namespace: pulumi.Output[str]
    role: WorkloadRole | None
    buckets: Mapping[DataClass, BucketRef]
    placement: Placement
    database: DatabaseServer | None = None
    secret: SecretAccess | None = None


class WorkloadAccount(pulumi.ComponentResource):
    """ServiceAccount without RBAC permissions, and the inline policy of its IAM role, if it has one."""

    identity: PodIdentity

    def __init__(self, name: str, args: WorkloadAccountArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:WorkloadAccount", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        row, grants = args.workload, args.grants
        labels = names.labels(args.hospital, row.zone, row.service_account)
        service_account = ServiceAccount(
            name,
            metadata=ObjectMetaArgs(name=row.service_account, namespace=args.namespace, labels=labels),
            automount_service_account_token=False,
            opts=child,
        )
        if row.vault_rules:
            self._token_review(name, row.service_account, args.namespace, labels)
        if args.role and grants:
            bucket_role_policy(name, args.role.role, grants, args.buckets, args.settings.region, child)
        if args.role and args.secret:
            secret_role_policy(name, args.role.role, args.secret, args.settings.region, child)
        self.identity = PodIdentity(
            namespace=args.namespace,
            service_account=service_account.metadata.name,
            role_arn=args.role.arn if args.role else None,
            vault_role=names.vault_role(args.hospital, row.service_account) if row.vault_rules else None,
            labels=labels,
            annotations=row.annotations(args.hospital),
            placement=args.placement,
            priority_class=priority_class(row.pool),
            database=args.database,
        )
        self.register_outputs({"roleArn": self.identity.role_arn})

    def _token_review(
        self, name: str, service_account: str, namespace: pulumi.Output[str], labels: dict[str, str]
    ) -> None:
        """Declare the permission to review its own token, with which Vault verifies a login."""
        rbac.ClusterRoleBinding(
            name,
            metadata=ObjectMetaArgs(name=f"{names.PROJECT}-{name}-token-review", labels=labels),
            role_ref=rbac.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="system:auth-delegator"
            ),
            subjects=[rbac.SubjectArgs(kind="ServiceAccount", name=service_account, namespace=namespace)],
            opts=pulumi.ResourceOptions(parent=self),
        )
