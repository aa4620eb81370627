"""Alarms: what in the account somebody must hear of, from the table ``alarms.yaml``."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi_aws import cloudwatch, sns
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as checked

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.settings import names
from infra.settings.values import Settings

TABLE = Path(__file__).with_name("alarms.yaml")
BREAK_GLASS_ROLE = "BREAK_GLASS_ROLE"
_PERIOD = 300


@checked(frozen=True)
class Metric:
    """A pattern over the trail's records, and how many of them within five minutes are too many."""

    why: str
    pattern: str
    threshold: int


@checked(frozen=True)
class Event:
    """A pattern over the region's events."""

    why: str
    pattern: dict[str, Any]


@checked(frozen=True)
class Table:
    """What raises an alarm, by name."""

    metrics: dict[str, Metric]
    events: dict[str, Event]


@cache
def table() -> Table:
    """Return the table."""
    return TypeAdapter(Table).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


class AlarmTopic(pulumi.ComponentResource):
    """Where alarms go: an encrypted topic, and the address that hears it."""

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
    publish = {
        "Sid": "Alarms",
        "Effect": "Allow",
        "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
        "Action": "sns:Publish",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    plain = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [publish, plain]})


@dataclass(frozen=True)
class AlarmsArgs:
    """What is listened to, and who is told.

    Parameters
    ----------
    settings
        The environment.
    trail_logs
        The log group that holds the trail's records.
    topic_arn
        Where alarms go.
    break_glass_arn
        The role whose use is an alarm.
    """

    settings: Settings
    trail_logs: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    break_glass_arn: str


class Alarms(pulumi.ComponentResource):
    """A metric filter with its alarm, or an event rule, for each row of the table."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Alarms", name, None, opts)
        for row, metric in table().metrics.items():
            self._metric(f"{name}-{row}", row, metric, args)
        for row, event in table().events.items():
            self._event(f"{name}-{row}", row, event, args)
        self.register_outputs({})

    def _metric(self, name: str, row: str, metric: Metric, args: AlarmsArgs) -> None:
        child = pulumi.ResourceOptions(parent=self)
        called = _called(args.settings, row)
        space = f"{names.PROJECT}/{args.settings.environment}"
        cloudwatch.LogMetricFilter(
            name,
            name=called,
            log_group_name=args.trail_logs,
            pattern=metric.pattern.replace(BREAK_GLASS_ROLE, args.break_glass_arn),
            metric_transformation=cloudwatch.LogMetricFilterMetricTransformationArgs(
                name=row, namespace=space, value="1", default_value="0"
            ),
            opts=child,
        )
        cloudwatch.MetricAlarm(
            name,
            name=called,
            alarm_description=metric.why,
            namespace=space,
            metric_name=row,
            statistic="Sum",
            period=_PERIOD,
            evaluation_periods=1,
            threshold=metric.threshold,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            actions_enabled=True,
            alarm_actions=[args.topic_arn],
            tags=names.tags(args.settings.environment, phi=False),
            opts=child,
        )

    def _event(self, name: str, row: str, event: Event, args: AlarmsArgs) -> None:
        child = pulumi.ResourceOptions(parent=self)
        rule = cloudwatch.EventRule(
            name,
            name=_called(args.settings, row),
            description=event.why,
            event_pattern=json.dumps(event.pattern).replace(BREAK_GLASS_ROLE, args.break_glass_arn),
            state="ENABLED",
            tags=names.tags(args.settings.environment, phi=False),
            opts=child,
        )
        cloudwatch.EventTarget(name, rule=rule.name, target_id="alarms", arn=args.topic_arn, opts=child)


def _called(settings: Settings, row: str) -> str:
    return f"{names.stem(settings.environment)}-{row}"
