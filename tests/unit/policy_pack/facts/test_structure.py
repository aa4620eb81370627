"""Hospital, zone and data class of a resource by the structure of the stack."""

from dataclasses import replace

import pytest

from policy_pack.facts.structure import hospital_of
from policy_pack.settings import load
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Graph, Resource
from tests.policy.builders import build

COMPONENT = build("healthcare-mlops:workloads:Hospital", "north", {})
BUCKET = build("aws:s3/bucket:Bucket", "raw", {"bucket": "x"})


def hospital(*resources: Resource) -> str:
    return hospital_of(resources[0], StackContext(Graph(resources), load()))


def test_a_resource_belongs_to_the_hospital_whose_component_is_around_it() -> None:
    inner = replace(build("healthcare-mlops:infra:Storage", "storage", {}), parent=COMPONENT.urn)
    assert hospital(replace(BUCKET, parent=inner.urn), inner, COMPONENT) == "north"


@pytest.mark.parametrize("parent", [BUCKET.urn, "other", ""])
def test_parents_that_are_a_cycle_end(parent: str) -> None:
    other = replace(BUCKET, urn="other", parent=BUCKET.urn)
    nameless = replace(BUCKET, urn="", parent="")
    assert hospital(replace(BUCKET, parent=parent), other, nameless) == ""
