"""CloudWatch log group: encrypted with the logs key, with a retention, protected from deletion."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch

from infra.settings import Settings, names

# CloudWatch accepts fixed values only: the first above a year, and six years (45 CFR 164.316(b)(2)) for audit logs.
DEFAULT_DAYS = 400
AUDIT_LOG_DAYS = 2192


@dataclass(frozen=True)
class LogGroupArgs:
    """Arguments of a log group.

    Parameters
    ----------
    settings
        The stack's settings.
    group
        Name of the log group, such as ``/hmlops/prod/flow``; some services prescribe it.
    key_arn
        The KMS key, which CloudWatch Logs may use.
    days
        Retention of its log events.
    phi
        Whether its log events may contain PHI.
    """

    settings: Settings
    group: str
    key_arn: pulumi.Input[str]
    days: int = DEFAULT_DAYS
    phi: bool = False


class LogGroup(pulumi.ComponentResource):
    """CloudWatch log group."""

    arn: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(self, name: str, args: LogGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Logs", name, None, opts)
        group = cloudwatch.LogGroup(
            name,
            name=args.group,
            kms_key_id=args.key_arn,
            retention_in_days=args.days,
            tags=names.tags(args.settings.environment, phi=args.phi),
            opts=pulumi.ResourceOptions(parent=self, protect=args.settings.tier.protect_data),
        )
        self.arn = group.arn
        self.name = group.name
        self.register_outputs({"arn": self.arn, "name": self.name})
