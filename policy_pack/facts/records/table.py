"""The table of events and records (``records.yaml``)."""

from collections.abc import Mapping
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables

TABLE = Path(__file__).with_name("records.yaml")
_STRICT = ConfigDict(extra="forbid")


@validated(frozen=True, config=_STRICT)
class RecordedEvent:
    """An event that must reach a trail.

    Parameters
    ----------
    name
        The event in words.
    category, read_only, source, event, type
        The fields of event selectors: category, readOnly, eventSource, eventName and resources.type.
    of, phi, contents
        For a data event, the kind of the stores, whether only those with PHI, and what follows their ARN.
    """

    name: str
    category: Literal["Management", "Data"]
    source: str
    event: str
    read_only: bool = False
    type: str = ""
    of: str = ""
    phi: bool = False
    contents: str = ""


@validated(frozen=True, config=_STRICT)
class AlarmedEvent:
    """A CloudTrail record that must alarm a person, and how many of them in five minutes."""

    name: str
    record: Mapping[str, Any]
    count: int = 1


@validated(frozen=True, config=_STRICT)
class Notice:
    """An EventBridge event of a service that must alarm a person, or reach a queue."""

    name: str
    event: Mapping[str, Any]


@validated(frozen=True, config=_STRICT)
class RecordTable:
    """The events that must be recorded or alarm a person, and the days for which records are kept."""

    events: tuple[RecordedEvent, ...]
    alarms: tuple[AlarmedEvent, ...]
    notices: tuple[Notice, ...]
    ordinary: tuple[Mapping[str, Any], ...]
    nodes: tuple[Notice, ...]
    protocols: tuple[str, ...]
    log_days: int = field()
    bucket_days: int = field()
    bucket_days_at_most: int = field()


@cache
def records() -> RecordTable:
    """Return the table."""
    return tables.read(TypeAdapter(RecordTable).validate_python, TABLE)
