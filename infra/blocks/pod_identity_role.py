"""Roles that pods take by EKS Pod Identity: for what the cluster needs itself, add-ons and the autoscaler.

Workloads take theirs with a web identity token (``infra.blocks.workload_roles``), on every kind of cluster.
Pod Identity exists on EKS alone, and so do add-ons; there it saves naming the cluster's issuer in each role.
"""

from dataclasses import dataclass

import pulumi
from pulumi_aws import iam

from infra.blocks.service_trust import for_account, service_trust
from infra.settings import names
from infra.settings.values import Settings


@dataclass(frozen=True)
class PodRoleArgs:
    """Who takes the role.

    Parameters
    ----------
    settings
        The environment.
    purpose
        What it is for; ends its name.
    cluster_arn
        The cluster whose pods may take it.
    policies
        Amazon's policies that it has, without the start of their ARN.
    rights
        A policy of its own.
    """

    settings: Settings
    purpose: str
    cluster_arn: pulumi.Input[str]
    policies: tuple[str, ...] = ()
    rights: pulumi.Input[str] | None = None


class PodRole(pulumi.ComponentResource):
    """A role of one ServiceAccount of the cluster; which one says the association."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: PodRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:PodRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        role = iam.Role(
            name,
            name=f"{names.stem(settings.environment)}-{args.purpose}",
            assume_role_policy=pulumi.Output.from_input(args.cluster_arn).apply(
                lambda arn: service_trust(
                    "pods.eks",
                    {**for_account(settings.account), "ArnEquals": {"aws:SourceArn": arn}},
                    ("sts:AssumeRole", "sts:TagSession"),
                )
            ),
            tags=names.tags(settings.environment, phi=False),
            opts=child,
        )
        held: list[pulumi.CustomResource] = [
            iam.RolePolicyAttachment(
                f"{name}-{policy.rpartition('/')[2]}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=child,
            )
            for policy in args.policies
        ]
        if args.rights is not None:
            held.append(iam.RolePolicy(name, name="own", role=role.name, policy=args.rights, opts=child))
        # Whoever is given the role's name waits until the role may do its work.
        self.arn = pulumi.Output.all(role.arn, *(resource.id for resource in held)).apply(lambda known: str(known[0]))
        self.register_outputs({"arn": self.arn})
