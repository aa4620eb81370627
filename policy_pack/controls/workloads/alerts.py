"""Alerts of each model in service (``alerts.yaml``): what they compare, and that they ring in time."""

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.controls.rules import join_check, resource_check
from policy_pack.facts.network.selectors import matches
from policy_pack.facts.network.topology import NAME_LABEL
from policy_pack.facts.structure import hospital_of_namespace
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import Findings, StackContext, expect, guarded, is_empty, one_of, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import GATEWAY, INFERENCE_SERVICE
from policy_pack.stack.pods import namespace
from policy_pack.stack.values import View

TABLE = Path(__file__).with_name("alerts.yaml")
RULES = "k8s:monitoring.coreos.com/PrometheusRule"
_POD_MONITOR = "k8s:monitoring.coreos.com/PodMonitor"
# Prometheus, and the gateway's pods, which only a hospital with a Gateway has.
_MONITORING, _ENVOY = "monitoring", "envoy"
_STRICT = ConfigDict(extra="forbid")
_NUMBER = r"\d+(?:\.\d+)?(?:e\+?\d+)?"
_THRESHOLD = rf"(?P<threshold>{_NUMBER}(?:\*{_NUMBER})*)"
_ANY_MODEL = "[a-z0-9-]+"
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_SECONDS = (365 * 86400, 7 * 86400, 86400, 3600, 60, 1, 0.001)


@validated(frozen=True, config=_STRICT)
class RequiredAlert:
    """An alert that each model must have; ``alerts.yaml`` documents the fields."""

    watch: str
    expr: str
    most: float
    wait: str

    def match(self, alert: View, serving: str, model: str = "") -> re.Match[str] | None:
        """Return the match of an alert that is this one, of a model or of any; None where it is another one."""
        if alert.at("labels.watch").text() != self.watch:
            return None
        pattern = re.escape(_compact(self.expr))
        for name, value in (
            ("serving", re.escape(serving)),
            ("data", re.escape(f"{hospital_of_namespace(serving)}-data")),
            ("model", re.escape(model) or _ANY_MODEL),
            ("threshold", _THRESHOLD),
        ):
            pattern = pattern.replace(re.escape(f"${name}"), value)
        return re.fullmatch(pattern, _compact(alert.at("expr").text()))


@validated(frozen=True, config=_STRICT)
class AlertTable:
    """The alerts that each model must have, their severities, and how rarely their groups may be evaluated."""

    severities: frozenset[str]
    interval: str
    alerts: Mapping[str, RequiredAlert]


@cache
def required() -> AlertTable:
    """Return the table."""
    return tables.read(TypeAdapter(AlertTable).validate_python, TABLE)


@join_check("ML-03", INFERENCE_SERVICE)
def models_have_alerts(service: Resource, context: StackContext) -> Findings:
    """Require the alerts of the table for each model, in its own namespace."""
    model, serving = service.at("metadata.name").text(), namespace(service).text()
    by_namespace: Mapping[str, list[View]] = context.graph.memo("alerts by namespace", _by_namespace)
    alerts = by_namespace.get(serving, [])
    for name, row in required().alerts.items():
        if not any(row.match(alert, serving, model) for alert in alerts):
            yield violation(f"has no alert for {name} (label watch: {row.watch}) that compares what alerts.yaml says")


@join_check("ML-03", RULES)
def figures_are_read(rule: Resource, context: StackContext) -> Findings:
    """Require that Prometheus reads the figures of each workload of the hospital from which the zone table lets it."""
    hospital = hospital_of_namespace(namespace(rule).text())
    gateways = {namespace(gateway).text() for gateway in context.graph.of(GATEWAY)}
    for workload in dict.fromkeys(flow.target for flow in zones().flows if flow.source == _MONITORING):
        zone = f"{hospital}-{zones().workload_zones[workload]}"
        if workload == _ENVOY and zone not in gateways:
            continue
        monitors = context.graph.where("metadata.namespace", zone, _POD_MONITOR)
        if not any(_reads(monitor, workload) for monitor in monitors):
            yield violation(f"no PodMonitor in {zone} reads the figures of {workload}, so its alerts never ring")


def _reads(monitor: Resource, workload: str) -> bool:
    selector = monitor.at("spec.selector").whole() or {}
    return matches(selector, {NAME_LABEL: workload}) and not monitor.at("spec.podMetricsEndpoints").absent


def _by_namespace(graph: Graph) -> dict[str, list[View]]:
    found: dict[str, list[View]] = {}
    for rule in graph.of(RULES):
        found.setdefault(namespace(rule).text(), []).extend(alert for _, alert in _alerts(rule))
    return found


def _alerts(rule: Resource) -> Iterator[tuple[View, View]]:
    """Return each alert of a PrometheusRule with its group."""
    for group in rule.at("spec.groups").items():
        for alert in group.at("rules").items():
            if not alert.at("alert").absent:
                yield group, alert


@resource_check("ML-03", RULES)
def alerts_ring_in_time(rule: Resource) -> Findings:
    """Refuse alerts of the table that ring too late, for nobody, or never."""
    serving = namespace(rule).text()
    for group, alert in _alerts(rule):
        for row in required().alerts.values():
            yield from guarded(_rings(row, group, alert, serving), alert.path)


def _rings(row: RequiredAlert, group: View, alert: View, serving: str) -> Findings:
    match = row.match(alert, serving)
    if match is None:
        return
    name = alert.at("alert").text()
    threshold = match.groupdict().get("threshold")
    if threshold is not None and _product(threshold) > row.most:
        yield violation(f"{name} rings above {threshold}, which is over {row.most:g}; lower it", alert.at("expr").path)
    for view, most in ((alert.at("for"), row.wait), (group.at("interval"), required().interval)):
        if _seconds(view.text()) > _seconds(most):
            yield violation(f"{name} waits for {view.text()}, which is over {most}; shorten it", view.path)
    for field in ("limit", "query_offset"):
        yield from expect(group.at(field), _is_nothing, f"{name} may not be evaluated ({field}); remove it")
    severities = required().severities
    message = f"{name} has no severity that reaches a person; use {' or '.join(sorted(severities))}"
    yield from expect(alert.at("labels.severity"), one_of(*severities), message)
    own = hospital_of_namespace(serving)
    message = f"{name} is sent to another hospital than {own} (label hospital)"
    yield from expect(alert.at("labels.hospital"), one_of(None, own), message)


def _is_nothing(value: object) -> bool:
    return is_empty(value) or value == 0


def _product(text: str) -> float:
    return math.prod(float(number) for number in text.split("*"))


def _seconds(text: str) -> float:
    """Return the seconds of a duration of Prometheus; a text that is none lasts for ever."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return math.inf
    return sum(int(number or 0) * seconds for number, seconds in zip(match.groups(), _SECONDS, strict=True))


def _compact(expression: str) -> str:
    return re.sub(r"\s+", "", expression)
