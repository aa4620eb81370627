"""Legitimate work on the program's own stacks: it has no finding, or one that says what to describe."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_pack.engine.evaluate import Evaluator
from policy_pack.facts.network.selectors import matches, normalized
from policy_pack.settings import Settings, load
from policy_pack.stack.external_endpoints import read_file
from policy_pack.stack.graph import Graph, Resource
from tests.policy import recorded
from tests.policy.builders import PREFIX, build, changed
from tests.policy.evaluation import BROKEN
from tests.policy.world.pods import DIGEST, container, pod
from tests.support.repository import REPOSITORY
from tests.support.stack.mocked_stack import RELEASE, SECOND_RELEASE

pytestmark = pytest.mark.process

BOOSTED = {"name": "boosted", "release": SECOND_RELEASE, "applications": ["north-research"]}
SERVICE = "k8s:serving.kserve.io/InferenceService"
MODEL_CONTROLS = ("ML-01", "ML-02", "ML-03", "INT-04", "AUTH-01", "AUD-08")
PLAN, BUCKET = "aws:backup/plan:Plan", "aws:s3/bucket:Bucket"
IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/vendor/agent@{DIGEST}"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "v1.34"}


def same(resource: Resource) -> Resource:
    return resource


def found(
    *more: Resource, change: Callable[[Resource], Resource] = same, settings: Settings | None = None
) -> list[tuple[str, str]]:
    """Return the findings of the production stack with more resources, beyond those that it has."""
    resources = recorded.unchanged("prod").graph().resources
    evaluator = Evaluator(settings or load(), read_file(REPOSITORY / "Pulumi.prod.yaml"))

    def broken(graph: Graph) -> set[tuple[str, str]]:
        return {(one.control, one.text) for one in evaluator.evaluate_stack(graph) if one.status in BROKEN}

    before = broken(Graph(resources, "prod"))
    return sorted(broken(Graph([*map(change, resources), *more], "prod")) - before)


def weekly(resource: Resource) -> Resource:
    if resource.kind != PLAN:
        return resource
    daily = resource.props["rules"][0]
    rule = {**daily, "ruleName": "weekly", "schedule": "cron(0 3 ? * SUN *)", "lifecycle": {"deleteAfter": 365}}
    return replace(resource, props={**resource.props, "rules": [daily, rule]})


def test_a_weekly_rule_beside_the_daily_one_passes() -> None:
    assert found(change=weekly) == []


def test_a_weekly_plan_beside_the_daily_one_passes() -> None:
    stack = recorded.unchanged("prod").graph()
    [plan], [selection] = stack.of(PLAN), stack.of("aws:backup/selection:Selection")
    props = {**plan.props, "id": "weekly", "name": "weekly", "rules": weekly(plan).props["rules"][1:]}
    more = replace(plan, urn=f"{plan.urn}-weekly", name="weekly", props=props)
    of_it = {**selection.props, "planId": "weekly"}
    chosen = replace(selection, urn=f"{selection.urn}-weekly", name="weekly", props=of_it, depends={})
    assert found(more, chosen) == []


def in_motion(written: dict[str, Any]) -> None:
    """Give the first hospital a canary for one of its units."""
    north = written["hospitals"][0]
    canary = {"release": SECOND_RELEASE, "percent": 10, "units": north["units"][:1]}
    north |= {"release": RELEASE, "canary": canary}


def test_a_canary_passes_and_is_judged_like_the_release_that_answers(tmp_path: Path) -> None:
    evaluator = Evaluator(load(), read_file(REPOSITORY / "Pulumi.prod.yaml"), controls=(*MODEL_CONTROLS, "BCP-04"))

    def broken(graph: Graph) -> list[tuple[str, str]]:
        return [(one.control, one.urn) for one in evaluator.evaluate_stack(graph) if one.status in BROKEN]

    resources = recorded.graph("prod", tmp_path, in_motion).resources
    assert broken(Graph(resources, "prod")) == []
    [canary] = [one for one in resources if one.kind == SERVICE and one.name.endswith("v2")]
    for note, control in (("gates", "ML-02"), ("approval", "ML-01"), ("release-digest", "INT-04")):
        metadata = canary.props["metadata"]
        notes = {name: text for name, text in metadata["annotations"].items() if name != f"{PREFIX}/{note}"}
        weaker = replace(canary, props={**canary.props, "metadata": {**metadata, "annotations": notes}})
        others = [weaker if one is canary else one for one in resources]
        assert broken(Graph(others, "prod")) == [(control, canary.urn)], note
    unwatched = [one for one in resources if one.name != "north-alerts-prometheusrule-readmission-risk-v2"]
    assert set(broken(Graph(unwatched, "prod"))) == {("ML-03", canary.urn)}


def with_model(written: dict[str, Any]) -> None:
    """Give the first hospital a further model, which a program of its own may ask."""
    written["hospitals"][0] |= {"release": RELEASE, "models": [BOOSTED]}


def test_a_further_model_passes_and_neither_model_lets_in_applications_of_the_other(tmp_path: Path) -> None:
    resources = recorded.graph("prod", tmp_path, with_model).resources
    file = tmp_path / "Pulumi.prod.yaml"
    written = yaml.safe_load((REPOSITORY / "Pulumi.prod.yaml").read_text(encoding="utf-8"))
    written["config"]["healthcare-mlops:hospitals"][0]["models"] = [BOOSTED]
    file.write_text(yaml.safe_dump(written), encoding="utf-8")
    evaluator = Evaluator(load(), read_file(file), controls=(*MODEL_CONTROLS, "ML-05", "SEG-12", "TX-03"))

    def broken(graph: Graph) -> list[tuple[str, str]]:
        return [(one.control, one.text) for one in evaluator.evaluate_stack(graph) if one.status in BROKEN]

    assert broken(Graph(resources, "prod")) == []
    unwatched = [one for one in resources if one.name != "north-alerts-prometheusrule-readmission-risk-v2"]
    assert {control for control, _ in broken(Graph(unwatched, "prod"))} == {"ML-03"}
    policies = {one.props["metadata"]["name"]: one for one in resources if one.kind.endswith("/SecurityPolicy")}
    own, first = policies["model-scores-boosted"], policies["scores"]
    rules = {one.urn: one.props["spec"]["authorization"] for one in (own, first)}
    for one, other, whose in (
        (own, first, "those of the model boosted"),
        (first, own, "the hospital's"),
    ):
        spec = {**one.props["spec"], "authorization": rules[other.urn]}
        planted = replace(one, props={**one.props, "spec": spec})
        refused = broken(Graph([planted if each is one else each for each in resources], "prod"))
        assert [control for control, _ in refused] == ["AUTH-01"]
        assert f"a rule allows other applications than {whose}" in refused[0][1]


def workload(namespace: str, type_: str, wrap: Callable[[dict[str, Any]], dict[str, Any]]) -> list[Resource]:
    own = {"app.kubernetes.io/name": "agent"}
    meta = {"name": "agent", "namespace": namespace, "labels": own}
    template = {"metadata": {"labels": own}, "spec": pod("agent", {**container("main", server=True), "image": IMAGE})}
    account = {"metadata": meta, "automountServiceAccountToken": False}
    return [
        build("kubernetes:core/v1:ServiceAccount", "agent", account),
        build(f"kubernetes:{type_}", "agent", {"metadata": meta, "spec": wrap(template)}),
    ]


def of_daemon_set(template: dict[str, Any]) -> dict[str, Any]:
    return {"selector": {"matchLabels": template["metadata"]["labels"]}, "template": template}


def of_cron_job(template: dict[str, Any]) -> dict[str, Any]:
    return {"schedule": "0 1 * * *", "jobTemplate": {"spec": {"template": template}}}


@pytest.mark.parametrize(("type_", "wrap"), [("apps/v1:DaemonSet", of_daemon_set), ("batch/v1:CronJob", of_cron_job)])
def test_a_workload_in_a_described_namespace_of_the_platform_passes(
    type_: str, wrap: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    assert found(*workload("monitoring", type_, wrap)) == []


def test_a_workload_elsewhere_has_a_message_that_says_what_to_describe() -> None:
    messages = [text for _, text in found(*workload("north-data", "apps/v1:DaemonSet", of_daemon_set))]
    assert any("describe it in workloads/workloads.yaml, or its namespace in" in text for text in messages)


def test_a_research_namespace_without_phi_passes() -> None:
    own = {"hospital": "shared", "zone": "platform", "data-class": "none", "owner": "research", "phi": "false"}
    own["data-passes"] = "none"
    labels = RESTRICTED | {f"{PREFIX}/{name}": value for name, value in own.items()}
    namespace = build("kubernetes:core/v1:Namespace", "research", {"metadata": {"name": "research", "labels": labels}})
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    meta = {"name": "default-deny", "namespace": "research"}
    deny = build("kubernetes:networking.k8s.io/v1:NetworkPolicy", "research-deny", {"metadata": meta, "spec": closed})
    assert found(namespace, deny) == []
    assert found(namespace) == [
        ("SEG-01", "research: has no default-deny NetworkPolicy for ingress and egress of every pod")
    ]


def of_class(data_class: str) -> Callable[[Resource], Resource]:
    def change(resource: Resource) -> Resource:
        recorder = resource.kind == BUCKET and resource.name == "watch-recorder"
        return changed(resource, f"tags.{{{PREFIX}/data-class}}", data_class) if recorder else resource

    return change


def test_a_bucket_of_a_new_class_says_where_to_describe_it() -> None:
    messages = [text for control, text in found(change=of_class("exports")) if control == "INV-01"]
    expected = "describe it in data_classes of settings.yaml: `exports: true` if it contains PHI"
    assert any(expected in message for message in messages)


def rewritten(value: Any) -> Any:
    """Return selectors as expressions, and lists in the opposite order."""
    if isinstance(value, list):
        return [rewritten(item) for item in reversed(value)]
    if not isinstance(value, dict):
        return value
    if value.get("matchLabels"):
        labels = reversed(value["matchLabels"].items())
        return {"matchExpressions": [{"key": key, "operator": "In", "values": [text]} for key, text in labels]}
    return {key: rewritten(item) for key, item in value.items()}


def test_selectors_of_equal_meaning_have_equal_findings() -> None:
    def change(resource: Resource) -> Resource:
        if resource.kind != "k8s:networking.k8s.io/NetworkPolicy":
            return resource
        return replace(resource, props={**resource.props, "spec": rewritten(resource.props["spec"])})

    assert found(change=change) == []


ONE_OF = {"key": "a", "operator": "In", "values": ["x", "y"]}
ONLY = {"key": "b", "operator": "In", "values": ["y"]}
OTHER = {"key": "a", "operator": "In", "values": ["y"]}


@pytest.mark.parametrize("labels", [{}, {"a": "x"}, {"a": "y"}, {"a": "x", "b": "y"}])
@pytest.mark.parametrize(
    "selector",
    [
        {"matchExpressions": [ONE_OF]},
        {"matchExpressions": [ONE_OF, ONLY]},
        {"matchLabels": {"a": "x"}, "matchExpressions": [OTHER]},
    ],
)
def test_a_normalized_selector_matches_the_same_labels(selector: dict[str, Any], labels: dict[str, str]) -> None:
    assert matches(normalized(selector), labels) is matches(selector, labels)
