"""IAM role for EKS Pod Identity: roles of EKS add-ons and of the autoscaler.

Workloads assume theirs with web identity tokens (``infra.blocks.workload_roles``), which every cluster has. Add-ons
exist on EKS only, where Pod Identity needs no OIDC issuer in the trust policy.
"""

from dataclasses import dataclass

import pulumi
from pulumi_aws import iam

from infra.blocks.trust_policy import service_trust, source_account
from infra.settings import Settings, names


@dataclass(frozen=True)
class PodRoleArgs:
    """Arguments of a role for Pod Identity.

    Parameters
    ----------
    settings
        The stack's settings.
    purpose
        Suffix of the role's name.
    cluster_arn
        The cluster whose pods may assume it.
    managed_policies
        Names of its AWS managed policies, with their path.
    inline_policy
        Its inline policy document.
    """

    settings: Settings
    purpose: str
    cluster_arn: pulumi.Input[str]
    managed_policies: tuple[str, ...] = ()
    inline_policy: pulumi.Input[str] | None = None


class PodRole(pulumi.ComponentResource):
    """IAM role that a pod assumes through EKS Pod Identity; the association names the ServiceAccount."""

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
                    {**source_account(settings.account), "ArnEquals": {"aws:SourceArn": arn}},
                    ("sts:AssumeRole", "sts:TagSession"),
                )
            ),
            tags=names.tags(settings.environment, phi=False),
            opts=child,
        )
        policies: list[pulumi.CustomResource] = [
            iam.RolePolicyAttachment(
                f"{name}-{policy.rpartition('/')[2]}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=child,
            )
            for policy in args.managed_policies
        ]
        if args.inline_policy is not None:
            policies.append(iam.RolePolicy(name, name="own", role=role.name, policy=args.inline_policy, opts=child))
        # The ARN resolves once the role has its permissions.
        self.arn = pulumi.Output.all(role.arn, *(policy.id for policy in policies)).apply(lambda ids: str(ids[0]))
        self.register_outputs({"arn": self.arn})
