"""The entry from this machine to hospitals' gateways, as the real Envoy reads it and as connections find it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.cluster import entry
from local.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.run.mkdir()
    return home


def resources(home: Home, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((home.config / "entry" / f"{name}.json").read_text())["resources"]
    return found


def test_it_leads_nowhere_before_a_hospital_is_published(home: Home) -> None:
    entry.command(home)
    assert resources(home, "listeners") == resources(home, "clusters") == []


def test_hospitals_come_and_go(home: Home) -> None:
    entry.publish(home, ["south", "north"])
    [listener] = resources(home, "listeners")
    chains = listener["filter_chains"]
    assert [chain["filter_chain_match"]["server_names"] for chain in chains] == [
        ["north.localhost", "north.api.localhost"],
        ["south.localhost", "south.api.localhost"],
    ]
    assert [cluster["name"] for cluster in resources(home, "clusters")] == ["north", "south"]
    entry.publish(home, ["south"])
    assert [cluster["name"] for cluster in resources(home, "clusters")] == ["south"]
    entry.publish(home, [])
    assert resources(home, "listeners") == []


def test_a_start_keeps_the_hospitals(home: Home) -> None:
    entry.publish(home, ["north"])
    entry.command(home)
    assert [cluster["name"] for cluster in resources(home, "clusters")] == ["north"]


@pytest.mark.process
def test_envoy_accepts_the_configuration(home: Home) -> None:
    entry.publish(home, ["north", "south"])
    command = entry.command(home)
    subprocess.run([*command, "--mode", "validate"], check=True, capture_output=True)
    # A validation reads no dynamic resources: the same as static ones.
    static = {name: resources(home, name) for name in ("listeners", "clusters")}
    document = {"static_resources": {name: [_without_type(one) for one in listed] for name, listed in static.items()}}
    (home.root / "static.json").write_text(json.dumps(document))
    subprocess.run(
        [command[0], "--config-path", str(home.root / "static.json"), "--mode", "validate"],
        check=True,
        capture_output=True,
    )


def _without_type(resource: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in resource.items() if name != "@type"}
