"""Interface VPC endpoints from the table ``endpoints.yaml``, with endpoint policies limited to this account.

S3 has an interface endpoint too: a gateway endpoint answers from public addresses of S3, which NetworkPolicies of the
zones do not allow. ``_S3_DNS_OPTIONS`` gives it private DNS without a gateway endpoint.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pulumi
import yaml
from pulumi_aws import ec2
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.blocks.iam_policy import Statement, policy_document
from infra.settings import Autoscaler, Settings, names

TABLE = Path(__file__).with_name("endpoints.yaml")
# The registry of EKS add-on images, the same in every region that the policy pack allows.
EKS_IMAGE_ACCOUNT = "602401143452"
_S3_DNS_OPTIONS = ec2.VpcEndpointDnsOptionsArgs(private_dns_only_for_inbound_resolver_endpoint=False)


@validated(frozen=True)
class EndpointStatement:
    """Statement of an endpoint policy; ``endpoints.yaml`` documents the fields."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    resource_accounts: tuple[str, ...] = ()
    anonymous: bool = False
    autoscaler: Autoscaler | None = None


@cache
def table() -> dict[str, tuple[EndpointStatement, ...]]:
    """Return the statements of each service's endpoint policy."""
    return TypeAdapter(dict[str, tuple[EndpointStatement, ...]]).validate_python(
        yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    )


def services(settings: Settings) -> dict[str, tuple[EndpointStatement, ...]]:
    """Return the services that a stack uses, with the statements of their endpoint policies."""
    autoscaler = settings.options.autoscaler
    selected = {
        service: tuple(row for row in rows if row.autoscaler in (None, autoscaler)) for service, rows in table().items()
    }
    return {service: rows for service, rows in selected.items() if rows}


def endpoint_policy(settings: Settings, rows: tuple[EndpointStatement, ...]) -> str:
    """Return the policy of an endpoint."""
    return policy_document(*(_statement(settings, row) for row in rows))


def _statement(settings: Settings, row: EndpointStatement) -> Statement:
    def expand(templates: tuple[str, ...]) -> list[str]:
        return [
            template.format(
                account=settings.account,
                region=settings.region,
                environment=settings.environment,
                images=EKS_IMAGE_ACCOUNT,
            )
            for template in templates
        ]

    string_equals: dict[str, object] = {}
    if not row.anonymous:
        string_equals["aws:PrincipalAccount"] = settings.account
    if row.resource_accounts:
        string_equals["aws:ResourceAccount"] = expand(row.resource_accounts)
    statement: Statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": list(row.actions),
        "Resource": expand(row.resources),
    }
    return {**statement, "Condition": {"StringEquals": string_equals}} if string_equals else statement


@dataclass(frozen=True)
class EndpointsArgs:
    """Arguments of the endpoints.

    Parameters
    ----------
    settings
        The stack's settings.
    vpc_id, subnet_ids
        The VPC, and one subnet an availability zone.
    security_group_id
        The security group of the endpoints.
    """

    settings: Settings
    vpc_id: pulumi.Input[str]
    subnet_ids: list[pulumi.Output[str]]
    security_group_id: pulumi.Input[str]


class VpcEndpoints(pulumi.ComponentResource):
    """An interface endpoint for each service of the table."""

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Endpoints", name, None, opts)
        settings = args.settings
        for service, rows in services(settings).items():
            ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=args.vpc_id,
                service_name=f"com.amazonaws.{settings.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=args.subnet_ids,
                security_group_ids=[args.security_group_id],
                private_dns_enabled=True,
                dns_options=_S3_DNS_OPTIONS if service == "s3" else None,
                policy=endpoint_policy(settings, rows),
                tags={
                    **names.tags(settings.environment, phi=False),
                    "Name": f"{names.stem(settings.environment)}-{service}",
                },
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
