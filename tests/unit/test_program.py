"""What the whole program declares: with and without a release, with one hospital more, and from its own first page."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.support.repository import REPOSITORY
from tests.support.stack.mocked_stack import (
    LOCK,
    RELEASE,
    RELEASE_DIGEST,
    SECOND_RELEASE,
    Mocks,
    Stack,
    configuration,
    declare,
    first_page,
    run,
    settings,
)


def with_release(written: dict[str, Any]) -> None:
    written["hospitals"][0]["release"] = RELEASE


def one_more(written: dict[str, Any]) -> None:
    callers = {"network": "172.31.251.32/28", "applications": ["east-program"]}
    written["hospitals"].append({"name": "east", "fhir": {"path": "bundles"}, **callers})


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


def test_names_are_unique_within_a_type(dev: Stack) -> None:
    keys = [resource.key for resource in dev.resources]
    assert len(keys) == len(set(keys)) > 100


def test_a_release_adds_its_model_server_and_nightly_scoring_and_nothing_else(dev: Stack, tmp_path: Path) -> None:
    served = declare(settings("dev", tmp_path, with_release))
    added = served.keys() - dev.keys()
    assert dev.keys() < served.keys()
    assert {kind.rpartition(":")[2] for kind, _ in added} == {"InferenceService", "Service", "CronJob"}
    assert {name for _, name in added} == {"north-readmission-risk-v1", "north-model-server-v1", "north-score"}
    [service] = served.of("InferenceService")
    uri = service.inputs["spec"]["predictor"]["model"]["storageUri"]
    assert uri == f"s3://hmlops-dev-north-models/readmission/v1/{RELEASE_DIGEST}"


def test_a_canary_that_becomes_a_shadow_adds_no_resource(tmp_path_factory: pytest.TempPathFactory) -> None:
    # `make rollback` updates planning, care and one Service alone, which depend on all that is new.
    def with_canary(written: dict[str, Any]) -> None:
        with_release(written)
        written["hospitals"][0]["canary"] = {"release": SECOND_RELEASE, "percent": 10}

    def with_shadow(written: dict[str, Any]) -> None:
        with_release(written)
        written["hospitals"][0]["shadow"] = {"release": SECOND_RELEASE, "percent": 1}

    before, after = (
        declare(settings("dev", tmp_path_factory.mktemp("dev"), change)) for change in (with_canary, with_shadow)
    )
    assert after.keys() - before.keys() == set()


def test_without_a_release_there_is_no_model_server(dev: Stack) -> None:
    with pytest.raises(LookupError):
        dev.of("InferenceService")


def test_a_hospital_more_adds_only_its_own_resources(dev: Stack, tmp_path: Path) -> None:
    grown = declare(settings("dev", tmp_path, one_more))
    before, after = dev.by_key(), grown.by_key()
    added = after.keys() - before.keys()
    assert added
    assert all(name == "east" or name.startswith("east-") for _, name in added)
    changed = [key for key, resource in before.items() if after[key].inputs != resource.inputs]
    assert changed == []


def test_hospitals_are_alike(dev: Stack) -> None:
    def own(hospital: str) -> list[tuple[str, str]]:
        found = (r.key for r in dev.resources if r.name == hospital or r.name.startswith(f"{hospital}-"))
        return sorted((kind, name.removeprefix(hospital)) for kind, name in found)

    assert own("north") == own("south")


def test_nothing_of_a_hospital_names_another(dev: Stack) -> None:
    mine = [r for r in dev.resources if r.name.startswith("north") and r.custom]
    assert len(mine) > 50
    assert [r.key for r in mine if "south" in json.dumps(dict(r.inputs))] == []


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_docs_say_how_many_resources_a_stack_and_a_hospital_have(stack: str, tmp_path: Path) -> None:
    def alone(written: dict[str, Any]) -> None:
        del written["hospitals"][1:]

    def two(written: dict[str, Any]) -> None:
        alone(written)
        first = written["hospitals"][0]
        other = {"name": "east", "network": "172.31.251.32/28"}
        written["hospitals"].append(
            {**first, **other, "signIn": {**first["signIn"], "client": "east-worklist", "audience": "east"}}
        )

    one, both = (len(declare(settings(stack, tmp_path, change)).resources) for change in (alone, two))
    row = f"| `{stack}` | {one} | {both - one} |"
    assert row in (REPOSITORY / "docs" / "production.md").read_text(encoding="utf-8")


def test_prod_declares_the_cluster_and_keeps_data(tmp_path: Path) -> None:
    prod = declare(settings("prod", tmp_path))
    assert {cluster.type for cluster in prod.of("Cluster")} == {
        "aws:eks/cluster:Cluster",
        "aws:msk/cluster:Cluster",
        "aws:rds/cluster:Cluster",
    }
    assert all(not bucket.inputs["forceDestroy"] for bucket in prod.of("Bucket"))
    assert {key.inputs["deletionWindowInDays"] for key in prod.of("Key") if "secrets" not in key.name} == {30}


def test_prod_pods_use_public_authorities_and_amazon_s_own_addresses(tmp_path: Path) -> None:
    text = json.dumps([dict(job.inputs) for job in declare(settings("prod", tmp_path)).of("CronJob")])
    assert "AWS_CA_BUNDLE" not in text
    assert "AWS_ENDPOINT_URL" not in text
    assert "AWS_ROLE_ARN" in text


def test_the_first_page_declares_the_same_and_tells_where_things_are(dev: Stack, tmp_path: Path) -> None:
    lock = tmp_path / "images.json"
    lock.write_text(json.dumps(LOCK))
    config = {**configuration("dev"), "imageLock": str(lock)}
    stack = Stack()
    pulumi.runtime.set_mocks(Mocks(stack), project="healthcare-mlops", stack="dev")
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    pulumi.runtime.set_all_config({f"healthcare-mlops:{key}": value for key, value in text.items()})
    told: dict[str, Any] = {}

    async def program() -> None:
        outputs = await first_page()["declare"]()
        told.update(await pulumi.Output.from_input(outputs).future() or {})

    run(program)
    assert stack.keys() == dev.keys()
    assert told["hospitals"]["north"]["buckets"]["models"] == "hmlops-dev-north-models"
    assert told["hospitals"]["south"]["namespaces"]["phi"] == "south-phi"
    assert told["hospitals"]["north"]["modelUrl"] is None
    assert told["hospitals"]["north"]["auditKeys"] == "north-audit-signing-public"
