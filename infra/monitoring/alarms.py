"""CloudWatch alarms and EventBridge rules from the table ``alarms.yaml``, and the SNS topic that they notify."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi_aws import cloudwatch, sns
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.blocks.iam_policy import Statement, policy_document
from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.settings import Settings, names

TABLE = Path(__file__).with_name("alarms.yaml")
BREAK_GLASS_ROLE = "BREAK_GLASS_ROLE"
_PERIOD_SECONDS = 300


@validated(frozen=True)
class MetricFilter:
    """Metric filter over CloudTrail events, and the alarm's threshold of events in a period."""

    description: str
    pattern: str
    threshold: int


@validated(frozen=True)
class EventRule:
    """EventBridge rule of the primary region."""

    description: str
    pattern: dict[str, Any]


@validated(frozen=True)
class AlarmTable:
    """Metric filters and event rules by name."""

    metric_filters: dict[str, MetricFilter]
    event_rules: dict[str, EventRule]


@cache
def table() -> AlarmTable:
    """Return the table."""
    return TypeAdapter(AlarmTable).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


class AlarmTopic(pulumi.ComponentResource):
    """SNS topic of alarms with its key, policy and e-mail subscription."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:AlarmTopic", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = PlatformKey(
            name,
            PlatformKeyArgs(
                settings, "alarms", services=("cloudwatch.amazonaws.com", "events.amazonaws.com"), phi=False
            ),
            child,
        )
        topic = sns.Topic(
            name,
            name=f"{names.stem(settings.environment)}-alarms",
            kms_master_key_id=key.arn,
            tags=names.tags(settings.environment, phi=False),
            opts=child,
        )
        sns.TopicPolicy(
            name,
            arn=topic.arn,
            policy=topic.arn.apply(lambda arn: _topic_policy(arn, settings.account)),
            opts=child,
        )
        sns.TopicSubscription(name, topic=topic.arn, protocol="email", endpoint=settings.alarms, opts=child)
        self.arn = topic.arn
        self.register_outputs({"arn": self.arn})


def _topic_policy(arn: str, account: str) -> str:
    publish: Statement = {
        "Sid": "Alarms",
        "Effect": "Allow",
        "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
        "Action": "sns:Publish",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    deny_plaintext: Statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return policy_document(publish, deny_plaintext)


@dataclass(frozen=True)
class AlarmsArgs:
    """Arguments of the alarms.

    Parameters
    ----------
    settings
        The stack's settings.
    trail_log_group
        Name of CloudTrail's log group.
    topic_arn
        The SNS topic that alarms notify.
    break_glass_arn
        The role whose use raises an alarm.
    """

    settings: Settings
    trail_log_group: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    break_glass_arn: str


class Alarms(pulumi.ComponentResource):
    """A metric filter with its alarm, or an event rule with its target, for each row of the table."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Alarms", name, None, opts)
        for row, metric_filter in table().metric_filters.items():
            self._metric_alarm(f"{name}-{row}", row, metric_filter, args)
        for row, event_rule in table().event_rules.items():
            self._event_rule(f"{name}-{row}", row, event_rule, args)
        self.register_outputs({})

    def _metric_alarm(self, name: str, row: str, metric_filter: MetricFilter, args: AlarmsArgs) -> None:
        child = pulumi.ResourceOptions(parent=self)
        full_name = _full_name(args.settings, row)
        namespace = f"{names.PROJECT}/{args.settings.environment}"
        cloudwatch.LogMetricFilter(
            name,
            name=full_name,
            log_group_name=args.trail_log_group,
            pattern=metric_filter.pattern.strip().replace(BREAK_GLASS_ROLE, args.break_glass_arn),
            metric_transformation=cloudwatch.LogMetricFilterMetricTransformationArgs(
                name=row, namespace=namespace, value="1", default_value="0"
            ),
            opts=child,
        )
        cloudwatch.MetricAlarm(
            name,
            name=full_name,
            alarm_description=metric_filter.description,
            namespace=namespace,
            metric_name=row,
            statistic="Sum",
            period=_PERIOD_SECONDS,
            evaluation_periods=1,
            threshold=metric_filter.threshold,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            actions_enabled=True,
            alarm_actions=[args.topic_arn],
            tags=names.tags(args.settings.environment, phi=False),
            opts=child,
        )

    def _event_rule(self, name: str, row: str, event_rule: EventRule, args: AlarmsArgs) -> None:
        child = pulumi.ResourceOptions(parent=self)
        rule = cloudwatch.EventRule(
            name,
            name=_full_name(args.settings, row),
            description=event_rule.description,
            event_pattern=json.dumps(event_rule.pattern).replace(BREAK_GLASS_ROLE, args.break_glass_arn),
            state="ENABLED",
            tags=names.tags(args.settings.environment, phi=False),
            opts=child,
        )
        cloudwatch.EventTarget(name, rule=rule.name, target_id="alarms", arn=args.topic_arn, opts=child)


def _full_name(settings: Settings, row: str) -> str:
    return f"{names.stem(settings.environment)}-{row}"
