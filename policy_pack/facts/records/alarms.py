"""Alarms: whether an event reaches a person, by a metric filter and an alarm, or by an EventBridge rule."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from policy_pack.facts.records import event_pattern, filter_pattern
from policy_pack.facts.records.table import AlarmedEvent, Notice
from policy_pack.facts.records.topics import ALARMS, EVENTS, TOPIC, problem
from policy_pack.facts.records.trail import TRAIL
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import LOG_GROUP
from policy_pack.stack.values import UNKNOWN, NotKnownError, View

ALARM: Final = "aws:cloudwatch/metricAlarm:MetricAlarm"
QUEUE: Final = "aws:sqs/queue:Queue"
RULE: Final = "aws:cloudwatch/eventRule:EventRule"
FILTER: Final = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
_TARGET: Final = "aws:cloudwatch/eventTarget:EventTarget"
_NAMES: Final = ("name", "id", "arn")
_ALL_LOGS: Final = ":*"
_NOT_KNOWN: Final = ("", "\0")
# Properties by which an alarm is evaluated in another way.
_OTHER_EVALUATIONS: Final = (
    "metricQueries",
    "extendedStatistic",
    "thresholdMetricId",
    "evaluationCriteria",
    "evaluationInterval",
    "evaluationWindow",
    "warmUpConfiguration",
)
_ACTIONS: Final = ("alarmActions", "okActions", "insufficientDataActions")
_DEFAULT_BUS: Final = ("", "default")
_CLASSES_WITHFILTERS: Final = ("", "STANDARD")
# The time in which an alarm must have been raised.
_LONGEST_SECONDS: Final = 3600
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
}


def trail_groups(graph: Graph) -> set[str | None]:
    """Return the URNs of the log groups to which trails send their events; None for one that is not known yet."""
    by_arn = {group.at("arn").raw: group for group in graph.of(LOG_GROUP) if isinstance(group.at("arn").raw, str)}
    urns: set[str | None] = set()
    for trail in graph.of(TRAIL):
        arn = trail.at("cloudWatchLogsGroupArn").raw
        if isinstance(arn, str):
            group = by_arn.get(arn.removesuffix(_ALL_LOGS))
            urns |= {group.urn} if group else set()
        else:
            group = graph.target(trail, "cloudWatchLogsGroupArn", (LOG_GROUP,), ("arn",))
            urns |= {group.urn} if group else {None} if arn is UNKNOWN else set()
    return urns


class AlarmPaths:
    """The ways by which events of a stack reach a person."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._groups = trail_groups(graph)
        self._alarms: dict[tuple[str, str], list[Resource]] = defaultdict(list)
        for alarm in graph.of(ALARM):
            self._alarms[_key(alarm.at("namespace"), alarm.at("metricName"))].append(alarm)

    def topic_problem(self, topic: Resource, service: str) -> str:
        """Return why a service's messages do not reach a person by a topic, computed once."""
        name = f"topic {topic.urn} {service}"
        reason: str = self._graph.memo(name, lambda graph: problem(graph, topic, service))
        return reason

    def strange_actions(self, alarm: Resource) -> Iterable[str]:
        """Return the properties of an alarm's actions that name something other than a topic of the stack."""
        by_arn = _topics_by_arn(self._graph)
        for path in _ACTIONS:
            known = [item.text() for item in alarm.at(path).items() if item.known]
            if not alarm.depends.get(path) and any(text not in by_arn for text in known):
                yield path

    def is_of_records(self, alarm: Resource) -> bool:
        """Return whether an alarm is of a metric filter's metric, or may be, as a metric is not known yet."""
        metrics = [metric_filter.at("metricTransformation") for metric_filter in self._graph.of(FILTER)]
        own = _key(alarm.at("namespace"), alarm.at("metricName"))
        keys = {_key(metric.at("namespace"), metric.at("name")) for metric in metrics}
        return own in keys or _NOT_KNOWN in (own, *keys)

    def publishers(self, topic: Resource) -> list[str]:
        """Return the services whose alarms or rules notify a topic."""
        by_topic: dict[str, list[str]] = self._graph.memo("publishers of topics", lambda _: self._publishers())
        return by_topic.get(topic.urn, [])

    def raises_alarm(self, event: AlarmedEvent) -> bool:
        """Return whether an event raises an alarm that reaches a person; raises `NotKnownError` as `_any` does."""
        return _any(
            partial(self._raised_by, metric_filter, alarm, event)
            for metric_filter in self._graph.of(FILTER)
            for alarm in self._candidates(metric_filter)
        )

    def notifies(self, notice: Notice) -> bool:
        """Return whether an event rule brings an event to a person; raises `NotKnownError` as `_any` does."""
        return _any(partial(self._notified_by, target, notice) for target in self._graph.of(_TARGET))

    def queues(self, notice: Notice) -> set[str]:
        """Return the URNs of the queues to which event rules bring an event."""
        targets = [
            (target, self._graph.target(target, "arn", (QUEUE,), ("arn",))) for target in self._graph.of(_TARGET)
        ]
        return {queue.urn for target, queue in targets if queue and self._chosen_by(target, notice)}

    def _publishers(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for kind, path, service in ((ALARM, "alarmActions", ALARMS), (_TARGET, "arn", EVENTS)):
            for urn in {topic.urn for source in self._graph.of(kind) for topic in self._topics(source, path)}:
                found.setdefault(urn, []).append(service)
        return found

    def _candidates(self, metric_filter: Resource) -> Iterable[Resource]:
        """Return the alarms of a filter's metric, and those whose metric is not known yet."""
        metric = metric_filter.at("metricTransformation")
        key = _key(metric.at("namespace"), metric.at("name"))
        if key == _NOT_KNOWN:
            return self._graph.of(ALARM)
        return (*self._alarms.get(key, ()), *self._alarms.get(_NOT_KNOWN, ()))

    def _raised_by(self, metric_filter: Resource, alarm: Resource, event: AlarmedEvent) -> bool:
        metric = metric_filter.at("metricTransformation")
        return (
            filter_pattern.selects(metric_filter.at("pattern").text(), event.record)
            and metric.at("namespace").value == alarm.at("namespace").value
            and metric.at("name").value == alarm.at("metricName").value
            and metric_filter.at("applyOnTransformedLogs").value is not True
            and self._reads_trail(metric_filter)
            and _raised(alarm, metric, event.count)
            and alarm.at("actionsEnabled").value is not False
            and any(not self.topic_problem(topic, ALARMS) for topic in self._topics(alarm, "alarmActions"))
        )

    def _reads_trail(self, metric_filter: Resource) -> bool:
        group = self._graph.target(metric_filter, "logGroupName", (LOG_GROUP,), _NAMES)
        if group is None:
            # A name that is known is of another log group.
            return metric_filter.at("logGroupName").value is None
        if group.urn not in self._groups and None in self._groups:
            raise NotKnownError("cloudWatchLogsGroupArn")
        return group.urn in self._groups and group.at("logGroupClass").text() in _CLASSES_WITHFILTERS

    def _notified_by(self, target: Resource, notice: Notice) -> bool:
        return self._chosen_by(target, notice) and (
            self._graph.target(target, "rule", (RULE,), _NAMES) is None
            or any(not self.topic_problem(topic, EVENTS) for topic in self._topics(target, "arn"))
        )

    def _chosen_by(self, target: Resource, notice: Notice) -> bool:
        """Return whether the rule of a target selects an event."""
        rule = self._graph.target(target, "rule", (RULE,), _NAMES)
        if rule is None:
            return target.at("rule").value is None
        return target.at("eventBusName").text() in _DEFAULT_BUS and _applies(rule, notice.event)

    def _topics(self, resource: Resource, path: str) -> list[Resource]:
        """Return the topics that a property names.

        Raises
        ------
        NotKnownError
            When a name is not known, and the property depends on no topic.
        """
        by_arn = _topics_by_arn(self._graph)
        found = []
        for item in resource.at(path).items():
            if item.known:
                found += [by_arn[item.text()]] if item.text() in by_arn else []
                continue
            depends = [self._graph.get(urn) for urn in resource.depends.get(path, ())]
            topics = [one for one in depends if one is not None and one.kind == TOPIC]
            if not topics:
                raise NotKnownError(path)
            found += topics
        return found


def alarm_paths(graph: Graph) -> AlarmPaths:
    """Return the ways by which events of a stack reach a person, computed once."""
    paths: AlarmPaths = graph.memo("alarm paths", AlarmPaths)
    return paths


def _topics_by_arn(graph: Graph) -> dict[str, Resource]:
    def compute(stack: Graph) -> dict[str, Resource]:
        return {arn: topic for topic in stack.of(TOPIC) if isinstance(arn := topic.at("arn").raw, str)}

    topics: dict[str, Resource] = graph.memo("topics by arn", compute)
    return topics


def _key(namespace: View, name: View) -> tuple[str, str]:
    """Return the key of a metric; that of metrics which are not known where a part is not known."""
    return (namespace.text(), name.text()) if namespace.known and name.known else _NOT_KNOWN


def _any(tests: Iterable[Callable[[], bool]]) -> bool:
    """Return whether one of some tests holds.

    Raises
    ------
    NotKnownError
        When none holds, and a value that decides one of them is not known yet.
    """
    unknown = None
    for test in tests:
        try:
            if test():
                return True
        except NotKnownError as error:
            unknown = error
    if unknown:
        raise unknown
    return False


def _raised(alarm: Resource, metric: View, count: int) -> bool:
    """Return whether an alarm is raised by some events in one period; what is not understood raises none."""
    value = _number(metric.at("value"))
    unit = alarm.at("unit").text()
    if value is None or not alarm.at("dimensions").absent or not metric.at("dimensions").absent:
        return False
    if not all(alarm.at(path).absent for path in _OTHER_EVALUATIONS):
        return False
    if unit and unit != (metric.at("unit").text() or "None"):
        return False
    statistics = {"Sum": value * count, "SampleCount": float(count), "Maximum": value, "Average": value}
    statistic = statistics.get(alarm.at("statistic").text())
    threshold, compare = _number(alarm.at("threshold")), _COMPARISONS.get(alarm.at("comparisonOperator").text())
    if statistic is None or threshold is None or compare is None or not compare(statistic, threshold):
        return False
    # The average of a period with other samples is lower.
    if alarm.at("statistic").text() == "Average" and not metric.at("defaultValue").absent:
        return False
    points = _number(alarm.at("datapointsToAlarm")) or _number(alarm.at("evaluationPeriods"))
    period = _number(alarm.at("period"))
    return points == 1 and period is not None and 0 < period <= _LONGEST_SECONDS


def _number(view: View) -> float | None:
    try:
        return None if view.value is None or isinstance(view.value, bool) else float(view.value)
    except (TypeError, ValueError):
        return None


def _applies(rule: Resource, event: Mapping[str, Any]) -> bool:
    state = rule.at("state").text()
    if state not in ("", "ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"):
        return False
    if rule.at("isEnabled").value is False or rule.at("eventBusName").text() not in _DEFAULT_BUS:
        return False
    try:
        pattern = json.loads(rule.at("eventPattern").text() or "{}")
    except (ValueError, RecursionError):
        return False
    return bool(pattern) and event_pattern.matches(pattern, event)
