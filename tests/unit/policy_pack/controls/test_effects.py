"""Effects that a setting in its place can lose: what is planted in production is refused, and other work passes."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from tests.policy.attacks.mutation import GONE, Step, changed, put
from tests.policy.attacks.stacks import attacked
from tests.policy.changes.incremental import Incremental
from tests.policy.evaluation import BROKEN

pytestmark = pytest.mark.process

LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
RULES = "k8s:monitoring.coreos.com/PrometheusRule"
SERVICE = "k8s:serving.kserve.io/InferenceService"
RELEASE = "k8s:helm.sh/Release"
POLICY = "k8s:networking.k8s.io/NetworkPolicy"
NODES = "aws:eks/nodeGroup:NodeGroup"
PROXY = "k8s:gateway.envoyproxy.io/EnvoyProxy"
NAMESPACE = "k8s:core/Namespace"
CERTIFICATE = "k8s:cert-manager.io/Certificate"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
VAULT = "vault:index/policy:Policy"
ALERT: tuple[Step, ...] = ("spec", "groups", 0, "rules", 0)
NOTES: tuple[Step, ...] = ("metadata", "annotations")
ENVOY: tuple[Step, ...] = ("spec", "provider", "kubernetes", "envoyDeployment")
Edits = tuple[tuple[tuple[Step, ...], Any], ...]


@cache
def evaluation() -> Incremental:
    stack = attacked("prod")
    return Incremental(stack.target.base, stack.settings, stack.addresses)


def more(graph: Graph) -> list[tuple[str, str]]:
    """Return the findings that production with two hospitals does not have."""
    difference = evaluation().difference(graph)
    return sorted((one.control, one.text) for one in evaluation().new(graph, difference, tuple(BROKEN)))


def subject(kind: str, name: str) -> Resource:
    [found] = [one for one in attacked("prod").target.of(kind) if one.name == name]
    return found


def new(kind: str, name: str, *edits: tuple[tuple[Step, ...], Any]) -> list[tuple[str, str]]:
    """Return the new findings after some edits of a resource."""
    resource = subject(kind, name)
    props = dict(resource.props)
    for steps, value in edits:
        props = put(props, steps, value)
    edited = {str(steps[0]) for steps, _ in edits}
    depends = {name: urns for name, urns in resource.depends.items() if name not in edited}
    other = replace(resource, props=props, depends=depends)
    graph = Graph([other if one is resource else one for one in attacked("prod").target.base], "prod")
    return more(graph)


REFUSED: list[tuple[str, str, str, Edits, str]] = [
    ("INT-01", LIFECYCLE, "north-raw", ((("rules", 1, "expiration"), {"days": 3000}),), "retention.raw"),
    ("INT-01", LIFECYCLE, "north-raw", ((("rules", 1, "status"), "Disabled"),), "never deletes its objects"),
    ("INT-01", LIFECYCLE, "north-curated-replica", ((("rules", 1, "expiration"), {"days": "1"}),), "after 1 days"),
    ("INT-01", LIFECYCLE, "north-identity", ((("rules", 0, "noncurrentVersionExpiration"), GONE),), "for ever"),
    ("INT-01", LIFECYCLE, "north-models", ((("rules", 0, "expiration"), {"days": 9000}),), "deletes releases"),
    ("ML-03", RULES, "north-alerts-prometheusrule-readmission-risk-v1", (((*ALERT, "for"), "2d"),), "over 1d"),
    (
        "ML-03",
        RULES,
        "north-alerts-prometheusrule-readmission-risk-v1",
        (((*ALERT, "expr"), "vector(0) > 1"),),
        "drift",
    ),
    (
        "ML-03",
        RULES,
        "north-alerts-prometheusrule-readmission-risk-v1",
        ((("spec", "groups", 0, "interval"), "1h"),),
        "over 10m",
    ),
    ("CM-01", SERVICE, "north-readmission-risk-v1", (((*NOTES, "serving.knative.dev/x"), "1"),), "kserve.yaml"),
    (
        "INV-03",
        RELEASE,
        "karpenter",
        ((("values", "settings", "clusterName"), GONE), (("version",), "1.14.0")),
        "1.14.1",
    ),
    ("INV-03", RELEASE, "karpenter", ((("values", "controller", "resources"), GONE),), "charts.yaml"),
    ("SEG-03", POLICY, "north-care-to-vault", ((("spec", "policyTypes"), ["Ingress"]),), "not in force"),
    ("SEG-03", POLICY, "north-care-to-vault", ((("spec", "podSelector"), {}),), "every workload"),
    ("CM-03", NODES, "nodes-phi", ((("taints", 0, "value"), "serving"),), "has no taint"),
    ("CM-06", PROXY, "north-gateway-envoyproxy", (((*ENVOY, "pod", "priorityClassName"), "x"),), "priority class"),
    ("INT-05", PROXY, "north-gateway-envoyproxy", (((*ENVOY, "container", "image"), GONE),), "has no image"),
    ("INV-01", NAMESPACE, "north-phi", (((*NOTES, "healthcare-mlops/notify"), "x@south.example"),), "another notify"),
    (
        "INV-01",
        CERTIFICATE,
        "north-gateway-certificate",
        ((("spec", "dnsNames"), ["south.x.y"]),),
        "a host name of south",
    ),
    ("AC-12", VAULT, "north-trainer", ((("policy",), "path x"),), "no policy that the pack understands"),
]


@pytest.mark.parametrize(("control", "kind", "name", "edits", "words"), REFUSED)
def test_what_loses_its_effect_is_refused(control: str, kind: str, name: str, edits: Edits, words: str) -> None:
    assert [text for of, text in new(kind, name, *edits) if of == control and words in text] != []


PASSES: list[tuple[str, str, Edits]] = [
    # Numbers may come back as text, and rules in another order.
    (LIFECYCLE, "north-raw", ((("rules", 1, "expiration"), {"days": "30"}),)),
    (LIFECYCLE, "north-raw", ((("rules", 0, "noncurrentVersionExpiration"), {"noncurrentDays": 60}),)),
    (LIFECYCLE, "north-models", ((("rules", 0, "expiration"), {"days": 0}),)),
    (RULES, "north-alerts-prometheusrule-readmission-risk-v1", (((*ALERT, "for"), GONE),)),
    (RULES, "north-alerts-prometheusrule-readmission-risk-v1", ((("spec", "groups", 0, "interval"), "1m30s"),)),
    (RULES, "north-alerts-prometheusrule-readmission-risk-v1", (((*ALERT, "labels", "severity"), "critical"),)),
    (
        RULES,
        "north-alerts-prometheusrule-readmission-risk-v1",
        ((("spec", "groups", 0, "rules", 6), {"alert": "More", "expr": "up == 0", "labels": {"watch": "errors"}}),),
    ),
    (SERVICE, "north-readmission-risk-v1", (((*NOTES, "serving.kserve.io/deploymentMode"), "RawDeployment"),)),
    (SERVICE, "north-readmission-risk-v1", (((*NOTES, "team.example/contact"), "somebody"),)),
    # A Helm release as the engine reads it back: whole numbers as fractions, switches that are off.
    (
        RELEASE,
        "cert-manager",
        ((("values", "replicaCount"), 2.0), (("disableWebhooks",), False), (("postrender",), "")),
    ),
    (RELEASE, "vault", ((("values", "injector", "extraEnvironmentVars", "AGENT_INJECT_VAULT_NAMESPACE"), GONE),)),
    (
        POLICY,
        "north-care-to-vault",
        (
            (
                ("spec", "podSelector"),
                {"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": ["care"]}]},
            ),
        ),
    ),
    (POLICY, "north-care-to-vault", ((("spec", "policyTypes"), GONE),)),
    (NODES, "nodes-platform", ((("labels", "team"), "platform"),)),
    (CERTIFICATE, "north-gateway-certificate", ((("spec", "dnsNames", 2), "southern.localhost"),)),
]


@pytest.mark.parametrize(("kind", "name", "edits"), PASSES)
def test_other_work_passes(kind: str, name: str, edits: Edits) -> None:
    assert new(kind, name, *edits) == []


@pytest.mark.parametrize(
    ("threshold", "words"),
    [("0.1", ""), ("0.05 * 2", ""), ("0.3", "over 0.2"), ("0.05 * 2 * 9", "over 0.2"), ("+Inf", "no alert for drift")],
)
def test_a_threshold_has_a_limit(threshold: str, words: str) -> None:
    name = "north-alerts-prometheusrule-readmission-risk-v1"
    expression = subject(RULES, name).props["spec"]["groups"][0]["rules"][0]["expr"]
    assert expression.endswith("> 0.05")
    found = new(RULES, name, ((*ALERT, "expr"), expression.replace("> 0.05", f"> {threshold}")))
    assert [words in text for _, text in found] == ([True] if words else [])


def test_the_key_of_the_other_hospital_is_refused() -> None:
    place: tuple[Step, ...] = ("rules", 0, "destination", "encryptionConfiguration", "replicaKmsKeyId")
    key = subject("aws:kms/key:Key", "south-raw-replica").props["arn"]
    [text] = [text for control, text in new(REPLICATION, "north-replication-raw", (place, key)) if control == "INV-01"]
    assert "is of north and uses south-raw-replica of south" in text


@pytest.mark.parametrize(
    ("kind", "name", "steps"),
    [
        (LIFECYCLE, "north-raw", ("rules", 1, "expiration", "days")),
        (RULES, "north-alerts-prometheusrule-readmission-risk-v1", (*ALERT, "expr")),
        (RELEASE, "vault", ("values",)),
        (SERVICE, "north-readmission-risk-v1", (*NOTES, "serving.kserve.io/deploymentMode")),
        (POLICY, "north-care-to-vault", ("spec", "policyTypes")),
        (NODES, "nodes-phi", ("taints", 0, "value")),
        (PROXY, "north-gateway-envoyproxy", (*ENVOY, "container", "image")),
        (CERTIFICATE, "north-gateway-certificate", ("spec", "dnsNames", 0)),
    ],
)
def test_what_is_not_known_yet_is_no_violation(kind: str, name: str, steps: tuple[Step, ...]) -> None:
    assert [text for control, text in new(kind, name, (steps, UNKNOWN)) if control in OWN] == []


OWN = ("INT-01", "ML-03", "CM-01", "CM-03", "CM-06", "INT-05", "INV-01", "INV-03", "SEG-03")


def without(kind: str, name: str) -> list[tuple[str, str]]:
    gone = subject(kind, name)
    graph = Graph([one for one in attacked("prod").target.base if one is not gone], "prod")
    return more(graph)


@pytest.mark.parametrize(
    ("control", "kind", "name", "words"),
    [
        ("AUD-03", "aws:cloudwatch/logGroup:LogGroup", "database", "which the stack does not declare"),
        (
            "ML-03",
            "k8s:monitoring.coreos.com/PodMonitor",
            "north-alerts-podmonitor-envoy",
            "no PodMonitor in north-platform",
        ),
        ("CM-02", "k8s:core/ResourceQuota", "north-data", "no ResourceQuota of all its pods"),
        ("CM-02", "k8s:core/LimitRange", "north-data", "no LimitRange"),
    ],
)
def test_what_nothing_works_without_is_missed(control: str, kind: str, name: str, words: str) -> None:
    assert [text for of, text in without(kind, name) if of == control and words in text] != []


def test_a_hospital_that_the_configuration_does_not_have_is_not_compared() -> None:
    stack = attacked("prod")
    assert stack.addresses is not None
    nobody = replace(stack, addresses=replace(stack.addresses, entries={}))
    lifecycle = subject(LIFECYCLE, "north-raw")
    other = changed(lifecycle, put(lifecycle.props, ("rules", 1, "expiration"), {"days": 31}))
    graph = Graph([other if one is lifecycle else one for one in stack.target.base], "prod")
    results = nobody.evaluator().evaluate_stack(graph)
    assert [one.text for one in results if one.status in BROKEN and one.control == "INT-01"] == []
