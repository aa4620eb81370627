"""The Job of the databases: what it knows of the server, and of the identity provider whose keys it publishes."""

from typing import Any

import pytest

from services.database.signing_keys import Provider
from tests.support.stack.mocked_stack import Stack, declare, settings


def without_sign_in(written: dict[str, Any]) -> None:
    del written["hospitals"][1]["signIn"]
    written["hospitals"][0]["signIn"]["secondFactor"] = ["2", "3"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev"), without_sign_in))


def environment(stack: Stack, hospital: str) -> dict[str, str]:
    [job] = [job for job in stack.of("CronJob") if job.name == f"{hospital}-database"]
    [container] = job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


def test_the_job_publishes_the_keys_of_the_hospital_s_provider(stack: Stack) -> None:
    found = environment(stack, "north")
    provider = Provider.from_environment("north", found)
    assert provider == Provider("https://172.31.250.1:8446/realms/north", "north-care", "north", ("2", "3"))
    assert found["SIGN_IN_CA"] == found["DATABASE_CA"]


def test_the_job_of_a_hospital_without_sign_in_knows_no_provider(stack: Stack) -> None:
    assert Provider.from_environment("south", environment(stack, "south")) is None
    reaching = [
        policy.metadata["namespace"]
        for policy in stack.of("NetworkPolicy")
        if policy.metadata["name"] == "database-setup-to-sign-in"
    ]
    assert reaching == ["north-phi"]
