"""The table of zones and flows, and the sentences that refuse an invalid one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from policy_pack.errors import PackError
from policy_pack.facts.zone_table import TABLE, Flow, read, zones


@pytest.mark.parametrize(
    "write",
    [lambda path: None, lambda path: path.write_text("- not a table"), lambda path: path.write_text("zones: {phi: x}")],
)
def test_an_invalid_zone_table_is_refused_in_one_sentence(write: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    write(path)
    with pytest.raises(PackError, match=r"zones\.yaml.* (does not have the form of this file|cannot be read)"):
        read(path)


def test_flows_have_the_service_accounts_and_ports_of_the_workload_table() -> None:
    table = zones()
    assert table.workload_zones["planner"] == "serving"
    assert Flow("planner", "model-server", 8443) in table.flows
    assert Flow("monitoring", "envoy", 19001) in table.flows
    assert not {"planning", "gateway"} & {end for flow in table.flows for end in (flow.source, flow.target)}


@pytest.mark.parametrize(
    "text", [None, "- not a table", "workloads: {ingest: {zone: phi}}", "workloads: [ingest]", "workloads: {x: 1}"]
)
def test_an_invalid_workload_table_is_refused_in_one_sentence(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "workloads.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PackError, match=r"workloads\.yaml (does not have the form of this file|cannot be read)"):
        read(TABLE, path)


def test_a_flow_to_a_port_that_no_workload_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    path.write_text(TABLE.read_text().replace("port: https}", "port: ssh}"))
    with pytest.raises(PackError, match=r"zones\.yaml.* does not have the form of this file \('ssh' is missing\)"):
        read(path)
