"""Who each workload is: a ServiceAccount without rights in Kubernetes, and what its role in AWS may do."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.rbac import v1 as rbac

from infra.blocks.bucket import Stored
from infra.blocks.workload_roles import GRANTS, WorkloadRole, grant_access
from infra.cluster.node_classes import Placement
from infra.settings import names
from infra.settings.values import DataClass, Settings
from workloads.blocks.pod import Account
from workloads.zones.flow_table import Workload


@dataclass(frozen=True)
class WorkloadAccountArgs:
    """Whose account it is.

    Parameters
    ----------
    settings, hospital
        The environment, and the hospital's name.
    name, workload
        The workload, as the zone table has it.
    namespace
        Where it runs.
    role
        Who it is for AWS.
    stored
        The hospital's buckets.
    placement
        The nodes of its pods.
    """

    settings: Settings
    hospital: str
    name: str
    workload: Workload
    namespace: pulumi.Output[str]
    role: WorkloadRole
    stored: dict[DataClass, Stored]
    placement: Placement


class WorkloadAccount(pulumi.ComponentResource):
    """A workload's ServiceAccount, and the grants of its role."""

    account: Account

    def __init__(self, name: str, args: WorkloadAccountArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:WorkloadAccount", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = names.labels(args.hospital, args.workload.zone, args.name)
        service_account = ServiceAccount(
            name,
            metadata=ObjectMetaArgs(name=args.name, namespace=args.namespace, labels=labels),
            automount_service_account_token=False,
            opts=child,
        )
        if args.workload.vault:
            self._reviewed(name, args, labels)
        grant_access(name, args.role.role, GRANTS[args.name], args.stored, args.settings.region, child)
        self.account = Account(
            workload=args.name,
            namespace=args.namespace,
            service_account=service_account.metadata.name,
            role_arn=args.role.arn,
            vault_role=names.vault_role(args.hospital, args.name) if args.workload.vault else None,
            labels=labels,
            placement=args.placement,
        )
        self.register_outputs({"roleArn": args.role.arn})

    def _reviewed(self, name: str, args: WorkloadAccountArgs, labels: dict[str, str]) -> None:
        """Let the account's own token ask for its review, which is how Vault checks a login."""
        rbac.ClusterRoleBinding(
            name,
            metadata=ObjectMetaArgs(name=f"{names.PROJECT}-{name}-token-review", labels=labels),
            role_ref=rbac.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="system:auth-delegator"
            ),
            subjects=[rbac.SubjectArgs(kind="ServiceAccount", name=args.name, namespace=args.namespace)],
            opts=pulumi.ResourceOptions(parent=self),
        )
