"""Log groups: encrypted by the key of logs, kept as long as the law asks, not deleted with what wrote them."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch

from infra.settings import names
from infra.settings.values import Settings

# A year at hand, as CloudWatch counts it; and six years (45 CFR 164.316(b)(2)) for records of who did what.
AT_HAND_DAYS = 400
RECORD_DAYS = 2192


@dataclass(frozen=True)
class LogsArgs:
    """What a log group holds and how long.

    Parameters
    ----------
    settings
        The environment.
    group
        Its name in CloudWatch, such as ``/hmlops/prod/flow``; some services choose it themselves.
    key_arn
        The key that encrypts it, which CloudWatch Logs may use.
    days
        How long a line is kept.
    phi
        Whether its lines may be about patients.
    """

    settings: Settings
    group: str
    key_arn: pulumi.Input[str]
    days: int = AT_HAND_DAYS
    phi: bool = False


class Logs(pulumi.ComponentResource):
    """A log group."""

    arn: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
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
