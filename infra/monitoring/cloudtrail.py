"""CloudTrail trail of all regions: management events, and data events of the stack's buckets."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudtrail, iam

from infra.blocks.bucket import BucketRef
from infra.blocks.iam_policy import policy_document
from infra.blocks.log_group import LogGroup, LogGroupArgs
from infra.blocks.trust_policy import service_trust
from infra.settings import Settings, names


@dataclass(frozen=True)
class CloudTrailArgs:
    """Arguments of the trail.

    Parameters
    ----------
    settings
        The stack's settings.
    bucket
        The bucket of its log files.
    logs_key_arn
        The KMS key of its log group, over which alarms have metric filters.
    """

    settings: Settings
    bucket: BucketRef
    logs_key_arn: pulumi.Input[str]


class CloudTrail(pulumi.ComponentResource):
    """Trail of the account with its log group; ``log_group`` is the group's name."""

    log_group: pulumi.Output[str]
    log_group_arn: pulumi.Output[str]

    def __init__(self, name: str, args: CloudTrailArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Trail", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        trail_name = names.stem(settings.environment)
        log_group = LogGroup(
            f"{name}-trail",
            LogGroupArgs(settings, f"/{names.PROJECT}/{settings.environment}/trail", args.logs_key_arn),
            child,
        )
        trail_arn = f"arn:aws:cloudtrail:{settings.region}:{settings.account}:trail/{trail_name}"
        role = iam.Role(
            f"{name}-trail",
            name=names.role(settings.environment, names.SHARED, "trail"),
            assume_role_policy=service_trust(
                "cloudtrail",
                {"ArnEquals": {"aws:SourceArn": trail_arn}},
            ),
            tags=names.tags(settings.environment, phi=False),
            opts=child,
        )
        role_policy = iam.RolePolicy(
            f"{name}-trail", name="write", role=role.name, policy=log_group.arn.apply(_write_policy), opts=child
        )
        cloudtrail.Trail(
            name,
            name=trail_name,
            s3_bucket_name=args.bucket.ready,
            kms_key_id=args.bucket.key_arn,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            enable_logging=True,
            cloud_watch_logs_group_arn=log_group.arn.apply(lambda arn: f"{arn}:*"),
            cloud_watch_logs_role_arn=role.arn,
            advanced_event_selectors=_selectors(settings.environment),
            tags=names.tags(settings.environment, phi=False),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role_policy]),
        )
        self.log_group = log_group.name
        self.log_group_arn = log_group.arn
        self.register_outputs({"logs": self.log_group})


def _selectors(environment: str) -> list[cloudtrail.TrailAdvancedEventSelectorArgs]:
    """Return the event selectors: management events, and data events of buckets with the stack's name prefix."""
    field = cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgs
    return [
        cloudtrail.TrailAdvancedEventSelectorArgs(
            name="account", field_selectors=[field(field="eventCategory", equals=["Management"])]
        ),
        # Includes the trail's own log files: one event each, about every five minutes.
        cloudtrail.TrailAdvancedEventSelectorArgs(
            name="objects",
            field_selectors=[
                field(field="eventCategory", equals=["Data"]),
                field(field="resources.type", equals=["AWS::S3::Object"]),
                field(field="resources.ARN", starts_withs=[f"arn:aws:s3:::{names.stem(environment)}-"]),
            ],
        ),
    ]


def _write_policy(log_group_arn: str) -> str:
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    return policy_document({"Effect": "Allow", "Action": actions, "Resource": f"{log_group_arn}:log-stream:*"})
