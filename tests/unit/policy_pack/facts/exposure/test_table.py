"""The table of entry points: what it refuses as a table, and what it allows."""

from pathlib import Path

import pytest
import yaml

from policy_pack.controls.rows import table
from policy_pack.errors import PackError
from policy_pack.facts.exposure.aws_services import aws_services
from policy_pack.facts.exposure.table import TABLE, Reach, exposure, read
from policy_pack.facts.zone_table import zones


def changed(tmp_path: Path, path: str, value: object) -> Path:
    """Write the table with another value at a path."""
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    *above, last = path.split(".")
    place = document
    for step in above:
        place = place[int(step)] if step.isdigit() else place[step]
    place[last] = value
    written = tmp_path / "exposure.yaml"
    written.write_text(yaml.safe_dump(document), encoding="utf-8")
    return written


def test_its_controls_kinds_and_workloads_exist() -> None:
    protections, kinds = exposure().protections.values(), exposure().kinds.values()
    controls = {row.control for row in protections} | {row.control for row in kinds}
    assert controls <= table().rows.keys()
    workloads = {destination.workload for row in exposure().entry_points for destination in row.leads_to}
    assert workloads - {"care"} <= zones().workload_zones.keys()
    assert {row.kind for row in aws_services().values()} <= exposure().kinds.keys()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("entry_points.0.requires", ["mutual-tls", "faith"], "entry_points.0.requires.1"),
        ("entry_points.0.kind", "backdoor", "kinds has no row for backdoor"),
        ("entry_points.0.reached_from", "moon", "reached_from"),
        ("entry_points.0.note", "x", "entry_points.0.note"),
        ("protections", {}, "protections has no row for mutual-tls"),
    ],
)
def test_a_mistake_in_the_table_is_named(tmp_path: Path, path: str, value: object, message: str) -> None:
    with pytest.raises(PackError, match=message):
        read(changed(tmp_path, path, value))


def test_a_missing_or_broken_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="cannot be read"):
        read(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(PackError, match="is not YAML"):
        read(tmp_path / "broken.yaml")


@pytest.mark.parametrize(
    ("kind", "namespace", "reach", "allowed"),
    [
        ("gateway-listener", "north-platform", Reach.VPC, True),
        ("gateway-listener", "north-platform", Reach.INTERNET, False),
        ("gateway-listener", "north-serving", Reach.VPC, False),
        ("gateway-listener", "", Reach.VPC, False),
        ("gateway-listener", "-platform", Reach.VPC, False),
        ("load-balancer", "", Reach.VPC, True),
        ("load-balancer", "north-platform", Reach.VPC, False),
        ("service", "north-platform", Reach.CLUSTER, False),
        ("ingress", "north-platform", Reach.VPC, False),
    ],
)
def test_a_row_allows_its_kind_namespace_and_clients(kind: str, namespace: str, reach: Reach, *, allowed: bool) -> None:
    listener = "machines" if kind == "gateway-listener" else ""
    assert (exposure().allowing(kind, namespace, reach, listener) is not None) is allowed


@pytest.mark.parametrize(("listener", "protections"), [("machines", {"mutual-tls"}), ("browsers", {"sign-in"})])
def test_each_listener_has_a_row_of_its_own(listener: str, protections: set[str]) -> None:
    row = exposure().allowing("gateway-listener", "north-platform", Reach.VPC, listener)
    assert row is not None
    assert set(row.requires) == protections | {"tls", "token", "authorization", "rate-limit", "own-headers", "record"}
    assert exposure().allowing("gateway-listener", "north-platform", Reach.VPC, "other") is None
