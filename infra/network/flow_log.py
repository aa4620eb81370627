"""The record of every connection of the VPC, refused ones included."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, iam

from infra.blocks.log_group import Logs, LogsArgs
from infra.blocks.service_trust import for_account, service_trust
from infra.settings import names
from infra.settings.values import Settings

MINUTE = 60
_WRITE = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]


@dataclass(frozen=True)
class FlowLogArgs:
    """Whose connections are recorded.

    Parameters
    ----------
    settings
        The environment.
    vpc_id
        The VPC.
    logs_key_arn
        The key of logs.
    """

    settings: Settings
    vpc_id: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]


class FlowLog(pulumi.ComponentResource):
    """A flow log, the group that it goes to, and the role that writes it."""

    def __init__(self, name: str, args: FlowLogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:FlowLog", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        tags = names.tags(settings.environment, phi=False)
        logs = Logs(
            f"{name}-flow",
            LogsArgs(settings, f"/{names.PROJECT}/{settings.environment}/flow", args.logs_key_arn),
            child,
        )
        role = iam.Role(
            f"{name}-flow",
            name=f"{names.stem(settings.environment)}-flow-log",
            assume_role_policy=service_trust("vpc-flow-logs", for_account(settings.account)),
            tags=tags,
            opts=child,
        )
        rights = iam.RolePolicy(
            f"{name}-flow", name="write", role=role.name, policy=logs.arn.apply(_rights), opts=child
        )
        ec2.FlowLog(
            name,
            vpc_id=args.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=MINUTE,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
        )
        self.register_outputs({})


def _rights(arn: str) -> str:
    statement = {"Effect": "Allow", "Action": _WRITE, "Resource": [arn, f"{arn}:*"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
