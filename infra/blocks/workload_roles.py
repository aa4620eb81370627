"""IAM roles for service accounts: one role a workload, assumed with its pod's web identity token."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi_aws import iam

from infra.blocks.role_policies import TOKEN_AUDIENCE, web_identity_trust_policy
from infra.settings import Settings, names

SESSION_SECONDS = 3600
# Tag `administers` of the roles that read the login of the database's administrator.
ADMINISTERS_DATABASE = "database"


@dataclass(frozen=True)
class OidcProvider:
    """The cluster's OpenID Connect provider in IAM.

    Parameters
    ----------
    arn
        The provider's ARN.
    issuer
        The issuer URL, which prefixes the condition keys of trust policies.
    """

    arn: pulumi.Output[str]
    issuer: pulumi.Output[str]


def oidc_provider(environment: str, provider: aws.Provider, issuer: pulumi.Input[str]) -> OidcProvider:
    """Declare the IAM OpenID Connect provider, by which IAM accepts the cluster's ServiceAccount tokens."""
    oidc = iam.OpenIdConnectProvider(
        "cluster",
        url=issuer,
        client_id_lists=[TOKEN_AUDIENCE],
        tags=names.tags(environment),
        opts=pulumi.ResourceOptions(provider=provider),
    )
    return OidcProvider(oidc.arn, pulumi.Output.from_input(issuer))


def role_arn(settings: Settings, hospital: str, workload: str) -> str:
    """Return the ARN of a workload's role, which follows from its name before the role exists."""
    return f"arn:aws:iam::{settings.account}:role/{names.role(settings.environment, hospital, workload)}"


@dataclass(frozen=True)
class WorkloadRoleArgs:
    """Arguments of a workload's role.

    Parameters
    ----------
    environment, hospital
        The stack and the hospital, which the role's name and tags carry.
    namespace, service_account
        The ServiceAccount that may assume the role.
    oidc
        The OpenID Connect provider that issues its tokens.
    phi
        Whether the role's permissions reach PHI.
    administers
        Tag by which the policies of shared keys know the role; empty for none.
    """

    environment: str
    hospital: str
    namespace: str
    service_account: str
    oidc: OidcProvider
    phi: bool
    administers: str = ""


class WorkloadRole(pulumi.ComponentResource):
    """IAM role of one workload of one hospital.

    It has no permissions yet: KMS keys name the role, and its permissions name the keys.
    """

    arn: pulumi.Output[str]
    role: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:WorkloadRole", name, None, opts)
        subject = f"system:serviceaccount:{args.namespace}:{args.service_account}"
        role = iam.Role(
            name,
            name=names.role(args.environment, args.hospital, args.service_account),
            assume_role_policy=pulumi.Output.all(args.oidc.arn, args.oidc.issuer).apply(
                lambda oidc: web_identity_trust_policy(oidc[0], oidc[1], subject)
            ),
            max_session_duration=SESSION_SECONDS,
            tags=names.tags(args.environment, args.hospital, phi=args.phi, administers=args.administers),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = role.arn
        self.role = role.name
        self.register_outputs({"arn": self.arn})
