"""Grants compared with the table of access."""

from pathlib import Path

import pytest

from policy_pack.facts.grants.access_table import AccessTable, access_table
from policy_pack.facts.grants.comparison import beyond, missing
from policy_pack.facts.grants.context import AccessContext, Part
from policy_pack.facts.grants.grant import EVERYTHING, Data, Grant, Subject
from policy_pack.facts.verbs import Verb
from tests.policy import world

TABLE = """
principals:
  planner: {title: plans, identities: [ServiceAccount serving/planner]}
  auditor: {title: looks, identities: [role auditor used by people]}
data:
  raw: {title: raw, places: ["bucket {hospital}-raw"]}
  curated: {title: curated, places: ["bucket {hospital}-curated"]}
  features: {title: features, places: ["bucket {hospital}-curated/features/"]}
  logs: {title: logs, places: ["bucket logs"]}
access:
  - {who: [planner], data: [curated], verbs: [read, list], hospital: own, reason: it plans}
  - {who: [auditor], data: [logs], verbs: [read], hospital: none, reason: it looks}
"""
PLANNER, AUDITOR = Subject("ServiceAccount serving/planner", "south"), Subject("role auditor used by people")


@pytest.fixture
def table(tmp_path: Path) -> AccessTable:
    file = tmp_path / "access.yaml"
    file.write_text(TABLE, encoding="utf-8")
    return access_table(file)


def read(subject: Subject, data: Data, source: str = "urn:1", *, certain: bool = True) -> Grant:
    return Grant(subject, data, Verb.READ, (subject.name, f"{data.hospital}-{data.name}"), source, certain)


def test_what_the_table_allows_is_not_beyond_it(table: AccessTable) -> None:
    assert beyond([read(PLANNER, Data("curated", "south")), read(AUDITOR, Data("logs"))], table) == []


@pytest.mark.parametrize(
    ("grant", "rule"),
    [
        (
            read(PLANNER, Data("curated", "north")),
            "access.yaml lets planner list, read curated of its own hospital only",
        ),
        (read(PLANNER, Data("raw", "south")), "access.yaml does not let planner use raw"),
        (read(PLANNER, Data("logs")), "access.yaml does not let planner use logs"),
        (read(AUDITOR, Data("raw", "south")), "access.yaml does not let auditor use raw"),
        (read(Subject("somebody"), Data("raw", "south")), "access.yaml has no principal somebody"),
        (read(PLANNER, Data("bucket x", "south")), "access.yaml does not describe this data"),
        (read(PLANNER, Data(EVERYTHING)), "access.yaml cannot be compared with what planner may do"),
    ],
)
def test_what_the_table_does_not_allow_is_named_with_its_path_and_the_rule(
    table: AccessTable, grant: Grant, rule: str
) -> None:
    (found,) = beyond([grant], table)
    assert found.message.startswith(" -> ".join(grant.path))
    assert rule in found.message


def test_equal_grants_of_a_resource_are_one_finding(table: AccessTable) -> None:
    others = [read(PLANNER, Data("curated", name)) for name in ("a", "b", "c", "d", "e")]
    (found,) = beyond(others, table)
    assert "and 2 more" in found.message
    assert len(beyond([*others, read(PLANNER, Data("curated", "a"), "urn:2")], table)) == 2


def test_a_grant_that_is_not_known_yet_is_reported_as_such(table: AccessTable) -> None:
    (found,) = beyond([read(PLANNER, Data("raw", "south"), certain=False)], table)
    assert not found.certain


def test_what_the_table_allows_and_nothing_grants_is_named(table: AccessTable) -> None:
    subjects, data = [PLANNER, AUDITOR], [Data("curated", "south"), Data("logs")]
    grants = [read(PLANNER, Data("curated", "south"))]
    assert [(one.who, one.verb) for one in missing(grants, table, subjects, data)] == [
        ("auditor", Verb.READ),
        ("planner", Verb.LIST),
    ]
    assert list(missing(grants, table, [PLANNER], [Data("curated", "north")])) == []


def test_places_are_found_by_kind_name_and_part() -> None:
    context = AccessContext(world.graph(), world.settings())
    assert context.parts("bucket", "hmlops-prod-north-raw") == (Part("", Data("raw", "north")),)
    assert "not described" in context.data("bucket", "other").name
    assert context.service_account("north-phi", "ingestor") == Subject("ServiceAccount phi/ingestor", "north")
    assert context.service_account("karpenter", "karpenter") == Subject("ServiceAccount karpenter/karpenter")
