"""Event selectors of CloudTrail: which events reach a trail."""

from typing import Any

import pytest

from policy_pack.facts.records.table import RecordedEvent, records
from policy_pack.facts.records.trail import TRAIL, reaches
from policy_pack.stack.values import UNKNOWN, NotKnownError
from tests.policy.builders import build

BUCKET = "arn:aws:s3:::north-raw"
EVENTS = {event.name: event for event in records().events}
READ, WRITE = EVENTS["a read of PHI"], EVENTS["a write of PHI"]
MANAGEMENT = EVENTS["a changed IAM policy"]
DECRYPT = EVENTS["the use of a KMS key"]
QUERY = EVENTS["a query of a database by its Data API"]


def reached(event: RecordedEvent, **props: Any) -> bool:
    return reaches(build(TRAIL, "trail", props), event, BUCKET)


def field(name: str, **operators: list[str]) -> dict[str, Any]:
    return {"field": name, **operators}


def advanced(*fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"fieldSelectors": list(fields)}]


DATA = (field("eventCategory", equals=["Data"]), field("resources.type", equals=["AWS::S3::Object"]))
ALL_MANAGEMENT = field("eventCategory", equals=["Management"])


def test_without_selectors_a_trail_records_management_events_only() -> None:
    assert reached(MANAGEMENT)
    assert reached(DECRYPT)
    assert not reached(READ)
    assert not reached(MANAGEMENT, enableLogging=False)


@pytest.mark.parametrize(
    ("selector", "management", "decrypt"),
    [
        ({}, True, True),
        ({"readWriteType": "ReadOnly"}, False, True),
        ({"readWriteType": "WriteOnly"}, True, False),
        ({"readWriteType": "None"}, False, False),
        ({"includeManagementEvents": False}, False, False),
        ({"excludeManagementEventSources": ["kms.amazonaws.com"]}, True, False),
    ],
)
def test_basic_selectors_of_management_events(selector: dict[str, Any], management: bool, decrypt: bool) -> None:
    assert reached(MANAGEMENT, eventSelectors=[selector]) is management
    assert reached(DECRYPT, eventSelectors=[selector]) is decrypt


@pytest.mark.parametrize(
    ("type_", "value", "recorded"),
    [
        ("AWS::S3::Object", "arn:aws:s3", True),
        ("AWS::S3::Object", "arn:aws:s3:::north-raw/", True),
        ("AWS::S3::Object", "arn:aws:s3:::north-raw", True),
        ("AWS::S3::Object", "arn:aws:s3:::north-raw/part/", False),
        ("AWS::S3::Object", "arn:aws:s3:::north-ra/", False),
        ("AWS::S3::Object", "", False),
        ("AWS::Lambda::Function", "arn:aws:s3:::north-raw/", False),
    ],
)
def test_basic_selectors_of_data_events(type_: str, value: str, recorded: bool) -> None:
    selector = {"readWriteType": "All", "dataResources": [{"type": type_, "values": [value]}]}
    assert reached(READ, eventSelectors=[selector]) is recorded
    assert not reached(READ, eventSelectors=[{**selector, "readWriteType": "WriteOnly"}])
    assert not reached(WRITE, eventSelectors=[{**selector, "readWriteType": "ReadOnly"}])


@pytest.mark.parametrize(
    ("fields", "recorded"),
    [
        (DATA, True),
        ((*DATA, field("readOnly", equals=["true"])), True),
        ((*DATA, field("readOnly", equals=["false"])), False),
        ((*DATA, field("resources.ARN", startsWiths=[BUCKET])), True),
        ((*DATA, field("resources.ARN", startsWiths=[f"{BUCKET}/part"])), False),
        ((*DATA, field("resources.ARN", equals=[f"{BUCKET}/x"])), False),
        ((*DATA, field("resources.ARN", notStartsWiths=[f"{BUCKET}/"])), False),
        ((*DATA, field("resources.ARN", notStartsWiths=[f"{BUCKET}/secret/"])), False),
        ((*DATA, field("resources.ARN", notStartsWiths=["arn:aws:s3:::south-raw/"])), True),
        ((*DATA, field("eventName", equals=["PutObject"])), False),
        ((*DATA, field("eventName", notEquals=["GetObject"])), False),
        ((*DATA, field("userIdentity.arn", notStartsWiths=["arn:aws:iam::1:role/x"])), False),
        ((DATA[0],), True),
        ((ALL_MANAGEMENT,), False),
        ((field("eventCategory", notEquals=["Management"]),), True),
        ((), False),
    ],
)
def test_advanced_selectors(fields: tuple[dict[str, Any], ...], recorded: bool) -> None:
    assert reached(READ, advancedEventSelectors=advanced(*fields)) is recorded


def test_an_advanced_selector_may_leave_a_management_source_out() -> None:
    without_kms = advanced(ALL_MANAGEMENT, field("eventSource", notEquals=["kms.amazonaws.com"]))
    assert reached(MANAGEMENT, advancedEventSelectors=without_kms)
    assert not reached(DECRYPT, advancedEventSelectors=without_kms)
    assert reached(QUERY, advancedEventSelectors=without_kms)


@pytest.mark.parametrize(
    "props",
    [
        {"advancedEventSelectors": UNKNOWN},
        {"eventSelectors": UNKNOWN},
        {"enableLogging": UNKNOWN},
        {"advancedEventSelectors": advanced({"field": "eventCategory", "equals": UNKNOWN})},
    ],
)
def test_what_is_not_known_is_not_recorded_yet(props: dict[str, Any]) -> None:
    with pytest.raises(NotKnownError):
        reached(READ, **props)
