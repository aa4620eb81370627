"""Grants of everyone that a principal can act as."""

import pytest

from policy_pack.facts.grants.acting import Acting, Target, with_acting
from policy_pack.facts.grants.grant import Data, Grant, Subject
from policy_pack.facts.verbs import Verb

PERSON, INGEST = Subject("person"), Subject("ServiceAccount phi/ingestor", "north")
TRAINER, FOREIGN = Subject("ServiceAccount data/trainer", "north"), Subject("ServiceAccount phi/ingestor", "south")
RAW = Data("raw", "north")


def read(subject: Subject, *, certain: bool = True) -> Grant:
    return Grant(subject, RAW, Verb.READ, (subject.name, "raw"), "urn:read", certain)


def acts(subject: Subject, name: str, hospital: str | None = "north", *, certain: bool = True) -> Acting:
    return Acting(subject, Target(name, hospital), (f"{subject.name} as {name}",), f"urn:{subject.name}", certain)


@pytest.mark.parametrize(
    ("name", "hospital", "expected"),
    [
        ("ServiceAccount phi/ingestor", "north", True),
        ("ServiceAccount phi/*", "north", True),
        ("ServiceAccount *", None, True),
        ("*/ingestor", None, True),
        ("ServiceAccount phi/*", "south", False),
        ("ServiceAccount data/*", "north", False),
        ("*/trainer", None, False),
        ("ServiceAccount phi/ingest", "north", False),
    ],
)
def test_targets(name: str, hospital: str | None, expected: bool) -> None:
    grants = with_acting([read(INGEST)], [acts(PERSON, name, hospital)])
    assert (PERSON in {grant.subject for grant in grants}) is expected
    assert Target(name, hospital).includes(INGEST) is expected


def test_grants_are_passed_on_through_every_step_with_the_path() -> None:
    steps = [acts(PERSON, "ServiceAccount data/*"), acts(TRAINER, "ServiceAccount phi/ingestor")]
    [_, *indirect] = with_acting([read(INGEST)], steps)
    [mine] = [grant for grant in indirect if grant.subject == PERSON]
    assert mine.path == (
        "person as ServiceAccount data/*",
        f"{TRAINER.name} as {INGEST.name}",
        INGEST.name,
        "raw",
    )
    assert mine.source == "urn:person"
    assert {grant.subject for grant in indirect} == {PERSON, TRAINER}


def test_a_circle_ends() -> None:
    steps = [acts(TRAINER, INGEST.name), acts(INGEST, TRAINER.name)]
    assert len(with_acting([read(INGEST)], steps)) == 2


def test_a_step_that_is_not_known_yet_hides_no_certain_one() -> None:
    steps = [acts(PERSON, INGEST.name, certain=False), acts(PERSON, INGEST.name)]
    certainties = {grant.certain for grant in with_acting([read(INGEST)], steps) if grant.subject == PERSON}
    assert True in certainties
    uncertain = with_acting([read(INGEST)], steps[:1])
    assert {grant.certain for grant in uncertain if grant.subject == PERSON} == {False}
    assert {grant.certain for grant in with_acting([read(INGEST, certain=False)], steps[1:])} == {False}


def test_another_hospital_s_account_is_not_meant() -> None:
    assert len(with_acting([read(FOREIGN)], [acts(PERSON, INGEST.name)])) == 1
