"""The table of pools: nobody waits for what may be empty, and what clinicians wait for is never empty."""

from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from infra.cluster import pools


def written() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(pools.TABLE.read_text(encoding="utf-8"))
    return found


def refused(table: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(pools.PoolTable).validate_python(table)
    return str(refusal.value)


def test_only_what_may_not_be_empty_takes_the_place_of_others() -> None:
    rows = pools.table().pools
    standing = {name for name, pool in rows.items() if not pool.may_be_empty}
    assert standing == {name for name, pool in rows.items() if pool.preempts} == {"clinical"}
    assert max(rows, key=lambda name: rows[name].priority) == "clinical"


@pytest.mark.parametrize(("field", "value"), [("priority", 2_000_000), ("priority", 1_000_000), ("preempts", True)])
def test_a_pool_that_may_be_empty_is_refused_the_place_of_one_that_may_not(field: str, value: object) -> None:
    table = written()
    table["pools"]["batch"][field] = value
    assert "pool batch may be empty" in refused(table)


def test_a_pool_that_may_not_be_empty_has_a_node_at_all_times() -> None:
    table = written()
    table["pools"]["clinical"]["nodes"]["serving"]["minimum"] = 0
    assert "pool clinical needs a node in the zone serving" in refused(table)


def test_pools_and_zones_share_no_node_class() -> None:
    table = written()
    table["pools"]["batch"]["nodes"]["serving"]["name"] = "phi"
    assert "have the node class phi" in refused(table)


def test_shadows_have_a_pool() -> None:
    table = written()
    del table["pools"]["staging"]
    assert "no pool staging" in refused(table)


@pytest.mark.parametrize(
    ("types", "said"),
    [
        (["m7i.large", "m6i.xlarge"], "needs instance types of one size"),
        (["m7i.medium"], "choose another type"),
        ([], ""),
    ],
)
def test_a_node_class_has_instance_types_of_one_size(types: list[str], said: str) -> None:
    table = written()
    table["pools"]["clinical"]["nodes"]["phi"]["instance_types"] = types
    assert said in refused(table)


def test_processors_of_a_node_are_those_of_its_size() -> None:
    table = written()
    table["pools"]["clinical"]["nodes"]["phi"]["instance_types"] = ["m7i.2xlarge"]
    changed = TypeAdapter(pools.PoolTable).validate_python(table)
    assert {node_class.name: node_class.cpus for node_class in changed.node_classes}.items() >= {
        ("phi", 8),
        ("serving", 2),
        ("batch", 4),
    }
