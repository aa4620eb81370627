"""Alerts: every model in service is watched for drift, calibration, errors and latency, and its figures are read."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack.mocked_stack import RELEASE, SECOND_RELEASE, Stack, declare, settings
from workloads.serving.alerts import table

MODEL, STOPPED = "readmission-risk-v1", "CanaryStopped"


def released(written: dict[str, Any]) -> None:
    written["hospitals"][0]["release"] = RELEASE


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod"), released))


def rules(stack: Stack) -> list[dict[str, Any]]:
    return [
        rule
        for made in stack.of("PrometheusRule")
        for group in made.inputs["spec"]["groups"]
        for rule in group["rules"]
    ]


def test_a_model_in_service_is_watched_in_every_way(stack: Stack) -> None:
    [made] = stack.of("PrometheusRule")
    assert (made.metadata["namespace"], made.metadata["name"]) == ("north-serving", MODEL)
    assert {rule["labels"]["watch"] for rule in rules(stack)} == {"drift", "calibration", "errors", "latency"}
    assert len(rules(stack)) == len([alert for alert in table() if alert.role is None])


@pytest.mark.parametrize(
    ("field", "stops"),
    [
        ({"canary": {"release": SECOND_RELEASE, "percent": 10}}, True),
        ({"models": [{"name": "boosted", "release": SECOND_RELEASE, "applications": ["north-research"]}]}, False),
    ],
    ids=["canary", "further model"],
)
def test_another_release_is_watched_as_well(tmp_path: Path, field: dict[str, Any], *, stops: bool) -> None:
    def change(written: dict[str, Any]) -> None:
        released(written)
        written["hospitals"][0] |= field

    made = declare(settings("prod", tmp_path, change)).of("PrometheusRule")
    assert {one.metadata["name"] for one in made} == {MODEL, "readmission-risk-v2"}
    for one in made:
        named = set(re.findall(r'model_name="([^"]*)"', str(one.inputs["spec"])))
        assert named == {one.metadata["name"]}
        of_model = [rule for rule in one.inputs["spec"]["groups"][0]["rules"] if rule["alert"] != STOPPED]
        assert all(one.metadata["name"] in rule["expr"] for rule in of_model)
    stopped = {
        one.metadata["name"]: rule["expr"]
        for one in made
        for rule in one.inputs["spec"]["groups"][0]["rules"]
        if rule["alert"] == STOPPED
    }
    # By the labels of planning's metric, in services/planning/delivery/metrics.py.
    selector = f'planning_canary_stopped{{namespace="north-serving",release="{SECOND_RELEASE}"}}'
    assert stopped == ({"readmission-risk-v2": f"max by (cause) ({selector}) > 0"} if stops else {})


def test_each_alert_is_about_this_hospital_and_says_what_to_do(stack: Stack) -> None:
    for rule in rules(stack):
        namespaces = set(re.findall(r'namespace="([^"]*)"', rule["expr"]))
        assert namespaces <= {"north-serving", "north-data"}, rule["alert"]
        assert "north-serving" in namespaces, rule["alert"]
        assert rule["labels"]["hospital"] == "north"
        assert MODEL in rule["annotations"]["summary"]
        assert "${" not in str(rule)
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_calibration_is_proved_by_the_training_that_the_stack_declares(stack: Stack) -> None:
    [rule] = [rule for rule in rules(stack) if rule["labels"]["watch"] == "calibration"]
    [named] = set(re.findall(r'cronjob="([^"]*)"', rule["expr"]))
    assert ("north-data", named) in {(job.metadata["namespace"], job.metadata["name"]) for job in stack.of("CronJob")}


def test_prometheus_reads_what_the_network_lets_it(stack: Stack) -> None:
    read = {
        (
            m.metadata["namespace"],
            m.inputs["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"],
            e["portNumber"],
        )
        for m in stack.of("PodMonitor")
        for e in m.inputs["spec"]["podMetricsEndpoints"]
    }
    opened = {
        (
            policy.metadata["namespace"],
            policy.inputs["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
            port["port"],
        )
        for policy in stack.of("NetworkPolicy")
        for rule in policy.inputs["spec"].get("ingress", [])
        for peer in rule["from"]
        if peer.get("podSelector", {}).get("matchLabels") == {"app.kubernetes.io/name": "prometheus"}
        for port in rule["ports"]
    }
    assert read == opened
    assert read == {
        ("north-serving", "model-server", 8082),
        ("north-serving", "planner", 8083),
        ("north-platform", "envoy", 19001),
    }


def test_without_a_release_there_is_nothing_to_alert_of(tmp_path: Path) -> None:
    prod = declare(settings("prod", tmp_path))
    kinds = {resource.kind for resource in prod.resources}
    assert "PodMonitor" in kinds
    assert "PrometheusRule" not in kinds


def test_a_cluster_without_prometheus_gets_neither(tmp_path: Path) -> None:
    dev = declare(settings("dev", tmp_path))
    assert not {resource.kind for resource in dev.resources} & {"PodMonitor", "PrometheusRule"}
