"""The allow list of resource types: what was reviewed passes, and everything else is refused with a reason."""

import pytest

from policy_pack.stack.graph import Graph
from policy_pack.stack.resource_types import refusal, resource_types
from policy_pack.stack.values import UNKNOWN
from tests.policy import recorded
from tests.policy.attacks import sdk
from tests.policy.builders import PREFIX, STACK, build
from tests.policy.evaluation import results
from tests.policy.seeds.types import REFUSED_TYPES
from tests.policy.world.pods import container, pod

TEMPLATE = {"spec": pod("trainer", container("main", server=True))}


@pytest.mark.parametrize("type_", REFUSED_TYPES)
def test_a_type_that_was_not_reviewed_is_refused(type_: str) -> None:
    found = results(Graph([build(type_, "x", {})], STACK), None, "INV-03")
    assert [(result.name, result.blocks) for result in found] == [("x", True)]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_type_of_the_program_was_reviewed(stack: str) -> None:
    assert [resource.type for resource in recorded.unchanged(stack).graph() if refusal(resource, PREFIX)] == []


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("kubernetes:apps/v1beta2:Deployment", "has the API version apps/v1beta2, which was not reviewed; use v1"),
        ("kubernetes:apps/v1:DeploymentPatch", "changes an object of another owner: declare the object itself"),
        ("kubernetes:core/v1:List", "is of the kind List: declare each object as a resource"),
        ("kubernetes:argoproj.io/v1alpha1:Workflow", "changes its pods by text"),
        ("kubernetes:example.com/v1:Widget", "example.com/v1 Widget, which was not reviewed: describe it in"),
    ],
)
def test_a_refusal_says_what_to_do(type_: str, text: str) -> None:
    assert text in (refusal(build(type_, "x", {}), PREFIX) or "")


def test_refused_kinds_are_not_described() -> None:
    types = resource_types()
    assert not types.kubernetes.keys() & types.unreviewable.keys()
    assert types.cluster_wide <= types.kubernetes.keys()


def test_a_kind_that_is_not_known_yet_has_the_type_of_its_resource() -> None:
    assert refusal(build("kubernetes:core/v1:ConfigMap", "x", {"kind": UNKNOWN}), PREFIX) is None


def test_a_rollout_may_have_the_pods_of_a_deployment_of_the_stack() -> None:
    meta = {"name": "trainer", "namespace": "north-data"}
    deployment = build("kubernetes:apps/v1:Deployment", "trainer", {"metadata": meta, "spec": {"template": TEMPLATE}})
    reference = {"workloadRef": {"kind": "Deployment", "name": "trainer"}}
    rollout = build("kubernetes:argoproj.io/v1alpha1:Rollout", "x", {"metadata": meta, "spec": reference})
    assert results(Graph([rollout, deployment], STACK), None, "INV-03", "CM-01") == []
    elsewhere = build("kubernetes:apps/v1:Deployment", "x", {"metadata": {**meta, "namespace": "south-data"}})
    assert results(Graph([rollout, elsewhere], STACK), None, "INV-03") != []


def test_a_node_pool_may_have_a_node_class_of_the_stack() -> None:
    node_class = build("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass", "x", {"metadata": {"name": "default"}})
    labels = {"healthcare-mlops/node-class": "platform"}
    spec = {"template": {"metadata": {"labels": labels}, "spec": {"nodeClassRef": {"name": "default"}}}}
    pool = build("kubernetes:karpenter.sh/v1:NodePool", "pool", {"metadata": {"name": "pool"}, "spec": spec})
    found = results(Graph([node_class, pool], STACK), None, "CM-03")
    assert [result for result in found if result.name == "pool"] == []


def test_the_types_without_tags_are_those_of_the_provider() -> None:
    found = {
        f"{module}:{name}"
        for type_ in sdk.kinds("pulumi_aws")
        for module, name in [(type_.split(":")[1].partition("/")[0], type_.rpartition(":")[2])]
        if name in resource_types().aws.get(module, ()) and "tags" not in sdk.resource_fields(type_)
    }
    listed = {f"{module}:{name}" for module, names in resource_types().untagged.items() for name in names}
    # The tags of a group are a list, for its instances.
    assert listed == found | {"autoscaling:Group"}
