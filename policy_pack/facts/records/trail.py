"""CloudTrail event selectors: whether an event reaches a trail."""

from collections.abc import Callable, Mapping
from typing import Final

from policy_pack.facts.records.table import RecordedEvent
from policy_pack.stack.graph import Resource
from policy_pack.stack.values import View

TRAIL: Final = "aws:cloudtrail/trail:Trail"
_READ_WRITE = {"All": (True, False), "ReadOnly": (True,), "WriteOnly": (False,)}
_EVERY_OBJECT = ("arn:aws:s3", "arn:aws:s3:::")
_POSITIVE: Mapping[str, Callable[[str, str], bool]] = {
    "equals": str.__eq__,
    "startsWiths": str.startswith,
    "endsWiths": str.endswith,
}
_NEGATIVE = {"notEquals": "equals", "notStartsWiths": "startsWiths", "notEndsWiths": "endsWiths"}
OPERATORS: Final = frozenset((*_POSITIVE, *_NEGATIVE))


def reaches(trail: Resource, event: RecordedEvent, arn: str = "") -> bool:
    """Return whether a trail records an event of all regions.

    Parameters
    ----------
    trail
        The trail.
    event
        The event.
    arn
        For a data event, the ARN of the store.

    Raises
    ------
    NotKnownError
        When a value that decides it is not known yet.
    """
    if trail.at("enableLogging").value is False:
        return False
    if not trail.at("advancedEventSelectors").absent:
        fields = _fields(event, arn)
        return any(_advanced(selector, fields) for selector in trail.at("advancedEventSelectors").items())
    if not trail.at("eventSelectors").absent:
        return any(_basic(selector, event, arn) for selector in trail.at("eventSelectors").items())
    # Without selectors a trail records all management events.
    return event.category == "Management"


def _basic(selector: View, event: RecordedEvent, arn: str) -> bool:
    if event.read_only not in _READ_WRITE.get(selector.at("readWriteType").text() or "All", ()):
        return False
    if event.category == "Management":
        excluded = [source.text() for source in selector.at("excludeManagementEventSources").items()]
        return selector.at("includeManagementEvents").value is not False and event.source not in excluded
    return any(
        data.at("type").text() == event.type and any(_selects(value.text(), event, arn) for value in _values(data))
        for data in selector.at("dataResources").items()
    )


def _values(data: View) -> list[View]:
    return data.at("values").items()


def _selects(value: str, event: RecordedEvent, arn: str) -> bool:
    if value in _EVERY_OBJECT:
        return event.type == "AWS::S3::Object"
    # The value of a bucket ends with its slash; an object's prefix after it leaves the other objects out.
    return bool(value) and f"{arn}{event.contents}".startswith(value)


def _fields(event: RecordedEvent, arn: str) -> dict[str, str]:
    fields = {
        "eventCategory": event.category,
        "readOnly": "true" if event.read_only else "false",
        "eventSource": event.source,
        "eventName": event.event,
    }
    return fields | ({"resources.type": event.type, "resources.ARN": f"{arn}{event.contents}"} if event.type else {})


def _advanced(selector: View, fields: Mapping[str, str]) -> bool:
    """Return whether every field selector holds; one on a field that the event may have in any value does not."""
    return all(
        _holds(entry, fields.get(entry.at("field").text())) for entry in selector.at("fieldSelectors").items()
    ) and bool(selector.at("fieldSelectors").items())


def _holds(entry: View, value: str | None) -> bool:
    if value is None:
        return False
    for operator, test in _POSITIVE.items():
        if not entry.at(operator).absent and not any(test(value, one.text()) for one in entry.at(operator).items()):
            return False
    # A part of the store that is left out makes its events incomplete.
    return not any(
        _POSITIVE[positive](value, one.text()) or one.text().startswith(value)
        for negative, positive in _NEGATIVE.items()
        for one in entry.at(negative).items()
    )
