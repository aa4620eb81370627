"""The record of a service's start."""

import pytest

from model.errors import UserError
from services.audit.configuration import Deployment, start_entry
from tests.support.audit.audit_chain import START
from tests.support.audit.audit_records import RELEASE

DIGEST = "5f" * 32


def test_a_start_is_an_entry_with_digests_alone() -> None:
    components = {"settings": b"x", "grants": b"y"}
    made = start_entry("care", "north", components, deployment=Deployment(), release=RELEASE, at=START)
    assert [part.component for part in made.configuration] == ["grants", "settings"]
    assert (made.caller, made.action, made.release) == ("north-care", "start", RELEASE)
    assert made.occurred_at == START


def test_the_policies_are_on_record_by_the_digest_of_the_deployment() -> None:
    deployment = Deployment.from_environment({"DEPLOYED_BY": "deployer", "POLICIES_DIGEST": DIGEST})
    made = start_entry("planning", "north", {"settings": b"x"}, deployment=deployment, release=None, at=START)
    assert {part.component for part in made.configuration} == {"settings", "policies"}
    [policies] = [part for part in made.configuration if part.component == "policies"]
    assert (policies.digest, policies.changed_by, made.caller) == (DIGEST, "deployer", "deployer")


def test_absent_and_empty_variables_say_nothing() -> None:
    for environment in ({}, {"DEPLOYED_BY": "", "POLICIES_DIGEST": ""}):
        assert Deployment.from_environment(environment) == Deployment(None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEPLOYED_BY", "Jane Doe"), ("DEPLOYED_BY", "a" * 201), ("POLICIES_DIGEST", "5f"), ("POLICIES_DIGEST", "g" * 64)],
)
def test_a_variable_that_no_record_can_hold_is_refused(name: str, value: str) -> None:
    with pytest.raises(UserError, match=name) as error:
        Deployment.from_environment({name: value})
    assert value not in str(error.value)
