"""Alarms: each event of the record table that must alarm a person reaches one."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from policy_pack.controls.rules import join_check, resource_check, stack_check
from policy_pack.facts.records import filter_pattern
from policy_pack.facts.records.alarms import ALARM, FILTER, AlarmPaths, alarm_paths
from policy_pack.facts.records.table import AlarmedEvent, Notice, records
from policy_pack.facts.records.topics import SUBSCRIPTION, TOPIC
from policy_pack.stack.checks import Findings, StackContext, between, expect, guarded, is_set, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import ROLE
from policy_pack.stack.text import known_text

_BREAK_GLASS = "BREAK_GLASS_ROLE"


@resource_check("AUD-07", ALARM)
def alarms_have_actions(alarm: Resource) -> Findings:
    """Require an action for every alarm."""
    yield from expect(alarm.at("alarmActions"), is_set, "has no alarm action")
    yield from expect(alarm.at("actionsEnabled"), lambda value: value is not False, "its alarm actions are disabled")


@join_check("AUD-07", ALARM)
def alarms_notify_topics_of_the_stack(alarm: Resource, context: StackContext) -> Findings:
    """Refuse actions of alarms other than topics of the stack."""
    paths = alarm_paths(context.graph)
    for path in paths.strange_actions(alarm):
        yield violation("notifies something other than a topic of the stack", path)


@join_check("AUD-07", ALARM)
def alarms_count_records(alarm: Resource, context: StackContext) -> Findings:
    """Require that an alarm of records counts them, as the metric of a filter has a value for each."""
    if alarm_paths(context.graph).is_of_records(alarm):
        yield from expect(alarm.at("statistic"), lambda value: value == "Sum", "does not count records (statistic Sum)")
        yield from expect(alarm.at("threshold"), between(1, math.inf), "its threshold is less than one record")


@join_check("AUD-07", SUBSCRIPTION)
def alarms_go_to_the_configured_address(subscription: Resource, context: StackContext) -> Findings:
    """Refuse subscriptions of alarms by another address than that of the stack's configuration."""
    address = context.addresses.alarms if context.addresses else ""
    paths = alarm_paths(context.graph)
    topic = context.graph.target(subscription, "topic", (TOPIC,), ("arn", "id"))
    if address and (topic is None or paths.publishers(topic)):
        message = "sends alarms to another address than the configuration's (alarms)"
        yield from expect(subscription.at("endpoint"), lambda value: value == address, message)


@join_check("AUD-07", TOPIC)
def topics_of_alarms_reach_a_person(topic: Resource, context: StackContext) -> Findings:
    """Require that a topic which alarms or rules notify brings their messages to a person."""
    paths = alarm_paths(context.graph)
    for service in paths.publishers(topic):
        reason = paths.topic_problem(topic, service)
        if reason:
            yield violation(f"{reason}, so its alarms reach nobody")


@stack_check("AUD-07")
def events_raise_alarms(context: StackContext) -> Findings:
    """Require an alarm that reaches a person for each event of the table, where the stack uses AWS."""
    if not context.graph.uses("aws"):
        return
    paths = alarm_paths(context.graph)
    roles = [role for role in context.graph.of(ROLE) if context.label(role, "break-glass") == "true"]
    arn = known_text(roles[0].at("arn")) if roles else ""
    for event in records().alarms:
        yield from guarded(_alarmed(replace(event, record=_filled_in(event.record, arn)), paths), event.name)
    for notice in records().notices:
        filled = replace(notice, event=_filled_in(notice.event, arn))
        yield from guarded(_notified(filled, paths), notice.name)


@stack_check("BCP-04")
def nodes_are_replaced_in_time(context: StackContext) -> Findings:
    """Require that each event of the table about nodes reaches the queue that event rules fill, where there is one."""
    paths = alarm_paths(context.graph)
    queues = {urn: name for notice in records().nodes for urn in paths.queues(notice) for name in [notice.name]}
    for notice in records().nodes:
        for urn in queues.keys() - paths.queues(notice):
            queue = context.graph.at(urn)
            yield violation(f"no event rule tells {queue.name} of {notice.name} ({notice.event['source']})", "", queue)


@join_check("AUD-07", FILTER)
def filters_select_no_ordinary_calls(metric_filter: Resource, _: StackContext) -> Findings:
    """Refuse metric filters that select calls of every hour, so that their alarms tell nothing."""
    pattern = metric_filter.at("pattern")
    if any(filter_pattern.selects(pattern.text(), record) for record in records().ordinary):
        yield violation("selects ordinary calls, so its alarm always rings", pattern.path)


def _alarmed(event: AlarmedEvent, paths: AlarmPaths) -> Findings:
    if not paths.raises_alarm(event):
        yield violation(f"no alarm reaches a person for {event.name} ({event.record['eventName']})")


def _notified(notice: Notice, paths: AlarmPaths) -> Findings:
    if not paths.notifies(notice):
        yield violation(f"no event rule reaches a person for {notice.name} ({notice.event['source']})")


def _filled_in(record: Mapping[str, Any], role_arn: str) -> Mapping[str, Any]:
    """Return a record with the ARN of the break-glass role."""
    return {
        key: _filled_in(value, role_arn) if isinstance(value, Mapping) else role_arn if value == _BREAK_GLASS else value
        for key, value in record.items()
    }
