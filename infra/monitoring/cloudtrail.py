"""The trail: who did what in the account, in every region, and who touched which object."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudtrail, iam

from infra.blocks.bucket import Stored
from infra.blocks.log_group import Logs, LogsArgs
from infra.blocks.service_trust import service_trust
from infra.settings import names
from infra.settings.values import Settings


@dataclass(frozen=True)
class TrailArgs:
    """Where the trail's records go.

    Parameters
    ----------
    settings
        The environment.
    records
        The bucket that keeps them, and its key.
    logs_key_arn
        The key of logs; a log group holds a year of them for alarms.
    """

    settings: Settings
    records: Stored
    logs_key_arn: pulumi.Input[str]


class Trail(pulumi.ComponentResource):
    """One trail for the whole account."""

    logs: pulumi.Output[str]
    logs_arn: pulumi.Output[str]

    def __init__(self, name: str, args: TrailArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Trail", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        called = names.stem(settings.environment)
        group = Logs(
            f"{name}-trail",
            LogsArgs(settings, f"/{names.PROJECT}/{settings.environment}/trail", args.logs_key_arn),
            child,
        )
        arn = f"arn:aws:cloudtrail:{settings.region}:{settings.account}:trail/{called}"
        role = iam.Role(
            f"{name}-trail",
            name=names.role(settings.environment, names.SHARED, "trail"),
            assume_role_policy=service_trust(
                "cloudtrail",
                {"ArnEquals": {"aws:SourceArn": arn}},
            ),
            tags=names.tags(settings.environment, phi=False),
            opts=child,
        )
        rights = iam.RolePolicy(
            f"{name}-trail", name="write", role=role.name, policy=group.arn.apply(_rights), opts=child
        )
        cloudtrail.Trail(
            name,
            name=called,
            s3_bucket_name=args.records.ready,
            kms_key_id=args.records.key_arn,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            enable_logging=True,
            cloud_watch_logs_group_arn=group.arn.apply(lambda arn: f"{arn}:*"),
            cloud_watch_logs_role_arn=role.arn,
            advanced_event_selectors=_selectors(settings.environment),
            tags=names.tags(settings.environment, phi=False),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
        )
        self.logs = group.name
        self.logs_arn = group.arn
        self.register_outputs({"logs": self.logs})


def _selectors(environment: str) -> list[cloudtrail.TrailAdvancedEventSelectorArgs]:
    """Return one selector for the account and one for objects; buckets are told by the beginning of their name."""
    field = cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgs
    return [
        cloudtrail.TrailAdvancedEventSelectorArgs(
            name="account", field_selectors=[field(field="eventCategory", equals=["Management"])]
        ),
        # The trail's own files are among the objects: an event for each file, which is written each five minutes.
        cloudtrail.TrailAdvancedEventSelectorArgs(
            name="objects",
            field_selectors=[
                field(field="eventCategory", equals=["Data"]),
                field(field="resources.type", equals=["AWS::S3::Object"]),
                field(field="resources.ARN", starts_withs=[f"arn:aws:s3:::{names.stem(environment)}-"]),
            ],
        ),
    ]


def _rights(arn: str) -> str:
    write = ["logs:CreateLogStream", "logs:PutLogEvents"]
    statement = {"Effect": "Allow", "Action": write, "Resource": f"{arn}:log-stream:*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
