"""VPC flow log of accepted and rejected traffic."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, iam

from infra.blocks.iam_policy import policy_document
from infra.blocks.log_group import LogGroup, LogGroupArgs
from infra.blocks.trust_policy import service_trust, source_account
from infra.settings import Settings, names

MINUTE = 60
_WRITE = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]


@dataclass(frozen=True)
class FlowLogArgs:
    """Arguments of the flow log.

    Parameters
    ----------
    settings
        The stack's settings.
    vpc_id
        The VPC.
    logs_key_arn
        The KMS key of log groups.
    """

    settings: Settings
    vpc_id: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]


class FlowLog(pulumi.ComponentResource):
    """VPC flow log with its log group and role."""

    def __init__(self, name: str, args: FlowLogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:FlowLog", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        tags = names.tags(settings.environment, phi=False)
        logs = LogGroup(
            f"{name}-flow",
            LogGroupArgs(settings, f"/{names.PROJECT}/{settings.environment}/flow", args.logs_key_arn),
            child,
        )
        role = iam.Role(
            f"{name}-flow",
            name=f"{names.stem(settings.environment)}-flow-log",
            assume_role_policy=service_trust("vpc-flow-logs", source_account(settings.account)),
            tags=tags,
            opts=child,
        )
        role_policy = iam.RolePolicy(
            f"{name}-flow", name="write", role=role.name, policy=logs.arn.apply(_write_policy), opts=child
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
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role_policy]),
        )
        self.register_outputs({})


def _write_policy(log_group_arn: str) -> str:
    return policy_document({"Effect": "Allow", "Action": _WRITE, "Resource": [log_group_arn, f"{log_group_arn}:*"]})
