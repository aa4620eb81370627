"""What README's everyday tasks say of a preview is what the preview of the dev stack shows."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.paths import Home
from local.stack.settings import CONFIG, PROJECT
from local.stack.stack import Stack
from tests.integration.support import pulumi, steps

Json = dict[str, Any]
Preview = dict[str, set[str]]

# What a changed number or size of model servers changes for each hospital that it is for.
SERVER = Counter({"update InferenceService": 1, "update ResourceQuota": 2})
# The Service of the release and the nightly scoring go with it; the Service of the active release then selects no pod.
WITHOUT_RELEASE = Counter(
    {
        "delete InferenceService": 1,
        "delete Service": 1,
        "delete CronJob": 1,
        "update Service": 1,
        "update Deployment": 1,
    }
)
STORED = ("Bucket", "Key", "Mount", "Namespace")


def previewed(folder: Path, home: Home, change: Callable[[Json, dict[str, Json]], None]) -> Preview:
    """Return what a preview lists once the sizes, or the hospitals' entries, have been changed."""
    content: Json = yaml.safe_load(CONFIG.read_text())
    hospitals = {entry["name"]: dict(entry) for entry in Stack(home).hospitals()}
    change(content["config"][f"{PROJECT}:sizes"], hospitals)
    content["config"][f"{PROJECT}:hospitals"] = list(hospitals.values())
    path = folder / CONFIG.name
    path.write_text(yaml.safe_dump(content))
    return steps(path)


def kind(urn: str) -> str:
    return urn.split("::")[-2].rpartition(":")[2]


def of(hospital: str, preview: Preview) -> Preview:
    """Return what a preview lists of one hospital; its resources are named after it."""
    named = {
        op: {urn for urn in urns if urn.rpartition("::")[2].partition("-")[0] == hospital}
        for op, urns in preview.items()
    }
    return {op: urns for op, urns in named.items() if urns}


def deployed(hospital: str) -> set[str]:
    """Return the resources that the stack's state has of a hospital."""
    listed = json.loads(pulumi("stack", "export").stdout)["deployment"]["resources"]
    return of(hospital, {"same": {entry["urn"] for entry in listed}})["same"]


def changes(preview: Preview) -> Counter[str]:
    """Return the numbers of changes by operation and kind."""
    return Counter(f"{op} {kind(urn)}" for op, urns in preview.items() for urn in urns if op != "same")


@pytest.fixture(scope="module")
def names(home: Home) -> tuple[str, str]:
    first, second, *_ = (entry["name"] for entry in Stack(home).working())
    return str(first), str(second)


@pytest.fixture(scope="module")
def several(home: Home, names: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Preview:
    """One preview of three tasks: a hospital's own limit, a hospital without a release, and one hospital more."""

    def change(_: Json, hospitals: dict[str, Json]) -> None:
        limits = {"cpu": "500m", "memory": "768Mi"}
        hospitals[names[0]]["resources"] = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": limits}
        del hospitals[names[1]]["release"]
        hospitals["east"] = {
            "name": "east",
            "fhir": {"path": "build/fhir/east"},
            "network": "172.31.251.32/28",
            "applications": ["east-program"],
            "retention": {"raw": "30d", "curated": "6y"},
            "contact": {"security": "secops@east.example", "baa": "BAA-2026-016"},
            "timeZone": "America/New_York",
            "replicas": {"min": 1, "max": 2},
            # Its EHR calls and its staff sign in, as those of the others do.
            "ehr": hospitals[names[0]]["ehr"] | {"application": "east-ehr", "issuer": "https://ehr.east.example"},
            "signIn": hospitals[names[0]]["signIn"] | {"client": "east-worklist", "audience": "east-care"},
            "units": ["medicine"],
        }

    return previewed(tmp_path_factory.mktemp("several"), home, change)


def test_a_hospitals_limit_changes_its_service_and_its_quotas(several: Preview, names: tuple[str, str]) -> None:
    assert changes(of(names[0], several)) == SERVER


def test_a_hospital_without_a_release_has_everything_but_the_service(several: Preview, names: tuple[str, str]) -> None:
    # Planning then ranks by LACE.
    assert changes(of(names[1], several)) == WITHOUT_RELEASE


def test_one_more_hospital_is_creations_and_as_many_as_the_others_have(
    several: Preview, names: tuple[str, str]
) -> None:
    east = of("east", several)
    assert set(east) == {"create"}
    release = Counter(["InferenceService", "Service", "CronJob"])
    assert Counter(map(kind, east["create"])) == Counter(map(kind, deployed(names[0]))) - release
    assert changes(several).total() == len(east["create"]) + SERVER.total() + WITHOUT_RELEASE.total()


def test_the_environments_limit_of_servers_changes_each_service_and_its_quotas(home: Home, tmp_path: Path) -> None:
    def change(sizes: Json, _: dict[str, Json]) -> None:
        sizes["modelServer"]["limits"]["cpu"] = "600m"

    preview = previewed(tmp_path, home, change)
    working = [entry["name"] for entry in Stack(home).working()]
    assert {name: changes(of(name, preview)) for name in working} == dict.fromkeys(working, SERVER)
    assert changes(preview).total() == len(working) * SERVER.total()


def test_the_environments_limit_of_jobs_changes_the_jobs_and_the_zones_bounds(home: Home, tmp_path: Path) -> None:
    def change(sizes: Json, _: dict[str, Json]) -> None:
        sizes["job"]["limits"]["memory"] = "1200Mi"

    preview = previewed(tmp_path, home, change)
    expected = Counter({"update CronJob": 7, "update ResourceQuota": 4, "update LimitRange": 1})
    working = [entry["name"] for entry in Stack(home).working()]
    assert {name: changes(of(name, preview)) for name in working} == dict.fromkeys(working, expected)
    assert changes(preview).total() == len(working) * expected.total()


def test_a_hospital_that_is_closed_keeps_its_data_and_gains_the_one_role_that_hands_it_over(
    home: Home, names: tuple[str, str], tmp_path: Path
) -> None:
    def change(_: Json, hospitals: dict[str, Json]) -> None:
        hospitals[names[1]]["leaving"] = "closed"

    preview = previewed(tmp_path, home, change)
    found = of(names[1], preview)
    assert Counter(map(kind, found["create"])) == {"ExportRole": 1, "Role": 1, "RolePolicy": 1}
    assert {"InferenceService", "CronJob", "ServiceAccount"} <= set(map(kind, found["delete"]))
    assert not set(map(kind, found["delete"])) & set(STORED)
    assert changes(preview) == changes(found)


def test_taking_a_hospital_out_destroys_its_resources_alone(home: Home, names: tuple[str, str], tmp_path: Path) -> None:
    def change(_: Json, hospitals: dict[str, Json]) -> None:
        del hospitals[names[1]]

    preview = previewed(tmp_path, home, change)
    assert of(names[1], preview) == {"delete": deployed(names[1])}
    assert changes(preview) == changes(of(names[1], preview))


def test_a_pipeline_step_can_be_run_again(names: tuple[str, str]) -> None:
    place = ["-n", f"{names[0]}-data", "--from=cronjob/train", "--dry-run=server", "-o", "json"]
    done = subprocess.run(
        ["kubectl", "create", "job", "train-again", *place], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["metadata"]["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
