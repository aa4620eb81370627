"""Endpoints of AWS services inside the VPC, each with a policy, so that nothing of ours reaches another's account.

S3 has an interface as well, and no gateway: a gateway answers from S3's public addresses, which the NetworkPolicies of
the zones do not open. Its private name needs no gateway either, once that is said (``_S3_NAMES``).
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pulumi
import yaml
from pulumi_aws import ec2
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as checked

from infra.settings import names
from infra.settings.values import Autoscaler, Settings

TABLE = Path(__file__).with_name("endpoints.yaml")
# The account of EKS's own images, the same in every region that the policy pack allows.
EKS_IMAGES = "602401143452"
_S3_NAMES = ec2.VpcEndpointDnsOptionsArgs(private_dns_only_for_inbound_resolver_endpoint=False)


@checked(frozen=True)
class Allowed:
    """One row: what goes through, as the table says."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    owners: tuple[str, ...] = ()
    anonymous: bool = False
    autoscaler: Autoscaler | None = None


@cache
def table() -> dict[str, tuple[Allowed, ...]]:
    """Return the rows of each service."""
    return TypeAdapter(dict[str, tuple[Allowed, ...]]).validate_python(
        yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    )


def services(settings: Settings) -> dict[str, tuple[Allowed, ...]]:
    """Return the services that an environment uses, with what it may ask of each."""
    chosen = settings.options.autoscaler
    used = {name: tuple(row for row in rows if row.autoscaler in (None, chosen)) for name, rows in table().items()}
    return {name: rows for name, rows in used.items() if rows}


def policy(settings: Settings, rows: tuple[Allowed, ...]) -> str:
    """Return the policy of an endpoint."""
    return json.dumps({"Version": "2012-10-17", "Statement": [_statement(settings, row) for row in rows]})


def _statement(settings: Settings, row: Allowed) -> dict[str, object]:
    def filled(texts: tuple[str, ...]) -> list[str]:
        return [
            text.format(
                account=settings.account, region=settings.region, environment=settings.environment, images=EKS_IMAGES
            )
            for text in texts
        ]

    tests: dict[str, object] = {}
    if not row.anonymous:
        tests["aws:PrincipalAccount"] = settings.account
    if row.owners:
        tests["aws:ResourceAccount"] = filled(row.owners)
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": list(row.actions),
        "Resource": filled(row.resources),
    }
    return {**statement, "Condition": {"StringEquals": tests}} if tests else statement


@dataclass(frozen=True)
class EndpointsArgs:
    """Where the endpoints are.

    Parameters
    ----------
    settings
        The environment.
    vpc_id, subnet_ids
        The VPC, and a subnet a zone.
    group_id
        The security group that admits the nodes.
    """

    settings: Settings
    vpc_id: pulumi.Input[str]
    subnet_ids: list[pulumi.Output[str]]
    group_id: pulumi.Input[str]


class Endpoints(pulumi.ComponentResource):
    """One endpoint for each service of the table."""

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
                security_group_ids=[args.group_id],
                private_dns_enabled=True,
                dns_options=_S3_NAMES if service == "s3" else None,
                policy=policy(settings, rows),
                tags={
                    **names.tags(settings.environment, phi=False),
                    "Name": f"{names.stem(settings.environment)}-{service}",
                },
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
