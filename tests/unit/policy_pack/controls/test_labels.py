"""Labels and tags: without one, or with another value, a resource has a finding or keeps every control."""

from itertools import islice

import pytest

from policy_pack.stack.graph import Graph
from tests.policy import recorded, world
from tests.policy.attacks.stacks import attacked
from tests.policy.builders import GONE, PREFIX, STACK, build, changed
from tests.policy.changes.labels import changes, lost, sample
from tests.policy.changes.planting import Stack, own
from tests.policy.evaluation import BROKEN, results, statuses

pytestmark = pytest.mark.process

EVERY = 16


@pytest.fixture(scope="module", params=["dev", "prod"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return own(request.param, tmp_path_factory.mktemp(request.param))


def test_no_label_takes_a_resource_out_of_a_control(stack: Stack) -> None:
    every_change = [change for resource in sample(stack.graph) for change in changes(resource)]
    assert len(every_change) > 300
    hidden = {change.title: lost(stack, change) for change in islice(every_change, 0, None, EVERY)}
    assert {title: controls for title, controls in hidden.items() if controls} == {}


@pytest.mark.parametrize("value", [GONE, "models", "access-logs", "configuration"])
@pytest.mark.parametrize("control", ["AC-08", "AUD-01", "AUD-05", "BCP-01", "BCP-03"])
def test_a_phi_bucket_with_another_class_as_tag_keeps_its_controls(control: str, value: object) -> None:
    [raw] = [r for r in world.resources() if r.kind == "aws:s3/bucket:Bucket" and r.name.endswith("north-raw")]
    relabelled = changed(raw, f"tags.{{{PREFIX}/data-class}}", value)
    attached = ("BucketPolicy", "BucketLogging", "BucketReplicationConfig", "Trail", "Selection")
    kept = [r for r in world.resources() if r is not raw and not r.type.endswith(attached)]
    assert statuses(results(Graph([*kept, relabelled], STACK), None, control), control) & BROKEN


def test_a_bucket_without_tag_and_structure_is_one_of_the_most_sensitive_class() -> None:
    strange = build("aws:s3/bucket:Bucket", "strange", {"bucket": "strange", "arn": "arn:aws:s3:::strange"})
    found = {
        result.control for result in results(Graph([*world.resources(), strange], STACK)) if result.name == "strange"
    }
    assert {"AC-08", "AUD-05", "BCP-01", "BCP-03", "INT-02"} <= found


@pytest.mark.parametrize(
    ("label", "value", "text"),
    [
        ("data-class", "models", "has the tag data-class models, and by name or content it is raw"),
        ("hospital", "south", "has the tag hospital south, and it belongs to north"),
        ("phi", "false", "has the tag phi false, and the data class raw contains PHI"),
        ("data-class", "exports", "describe it in data_classes of settings.yaml: `exports: true` if it contains PHI"),
    ],
)
def test_a_tag_that_differs_from_the_structure_is_refused(label: str, value: str, text: str) -> None:
    resources = recorded.unchanged("dev").graph().resources
    [raw] = [r for r in resources if r.kind == "aws:s3/bucket:Bucket" and r.name == "north-raw"]
    relabelled = changed(raw, f"tags.{{{PREFIX}/{label}}}", value)
    graph = Graph([*(r for r in resources if r is not raw), relabelled], "dev")
    assert any(text in result.message for result in results(graph, None, "INV-01"))


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "text"),
    [
        ("aws:guardduty/detector:Detector", "watch", "tags", {}, "has no tag owner"),
        ("aws:iam/openIdConnectProvider:OpenIdConnectProvider", "cluster", f"tags.{{{PREFIX}/phi}}", "", "no tag phi"),
        ("aws:cloudtrail/trail:Trail", "watch", f"tags.{{{PREFIX}/environment}}", "test", "of another stack"),
        ("aws:iam/role:Role", "north-train", f"tags.{{{PREFIX}/hospital}}", "", "has an empty tag hospital"),
        ("aws:cloudtrail/trail:Trail", "watch", f"tags.{{{PREFIX}/hospital}}", "none", "which is none of this stack"),
        ("vault:index/mount:Mount", "north-kv", "path", "south/kv", "belongs to north, and its path to south"),
        (
            "k8s:rbac.authorization.k8s.io/ClusterRoleBinding",
            "north-ingestor",
            f"metadata.labels.{{{PREFIX}/hospital}}",
            GONE,
            "has not the label hospital north",
        ),
    ],
)
def test_a_label_that_the_structure_needs_is_required(
    kind: str, name: str, path: str, value: object, text: str
) -> None:
    resources = attacked("dev").target.resources
    [one] = [r for r in resources if r.kind == kind and (r.name == name or kind == "aws:iam/role:Role")][:1]
    graph = Graph([*(r for r in resources if r is not one), changed(one, path, value)], "dev")
    assert any(text in result.message for result in results(graph, None, "INV-01"))


def test_an_alias_of_one_hospital_leads_to_no_key_of_another() -> None:
    resources = attacked("dev").target.resources
    [alias] = [r for r in resources if r.kind == "aws:kms/alias:Alias" and r.name == "north-audit"]
    [other] = [r for r in resources if r.kind == "aws:kms/alias:Alias" and r.name == "south-audit"]
    crossed = changed(alias, "targetKeyId", other.props["targetKeyId"])
    graph = Graph([*(r for r in resources if r is not alias), crossed], "dev")
    assert any("leads to the key" in result.message for result in results(graph, None, "INV-01"))
