"""Hospitals' entries of a stack's configuration: retention, agreement and contacts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

# What an entry takes where it says nothing, as docs/settings.md has it.
DEFAULT_RETENTION: Final[Mapping[str, str]] = {"raw": "30d", "curated": "6y"}
_DURATION: Final = re.compile(r"([1-9]\d{0,4})([dy])")
_DAYS: Final = {"d": 1, "y": 365}


@dataclass(frozen=True)
class HospitalEntry:
    """The entry of a hospital.

    Parameters
    ----------
    days
        For how many days its data is kept, by the retention (``raw``, ``curated``).
    contact
        Its agreement and contacts, by the annotation of its namespaces that has them.
    """

    days: Mapping[str, int]
    contact: Mapping[str, str]


def read(settings: Mapping[str, Any]) -> dict[str, HospitalEntry]:
    """Return the entries of a configuration by hospital.

    Raises
    ------
    ValueError
        When a retention is no duration.
    """
    return {str(entry["name"]): _entry(entry) for entry in settings.get("hospitals") or ()}


def _entry(entry: Mapping[str, Any]) -> HospitalEntry:
    retention = {**DEFAULT_RETENTION, **(entry.get("retention") or {})}
    return HospitalEntry(
        {name: _days(str(retention[name])) for name in DEFAULT_RETENTION}, dict(_contact(entry.get("contact") or {}))
    )


def _contact(contact: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if contact:
        yield "baa", str(contact["baa"])
        yield "security-contact", str(contact["security"])
        yield "notify", str(contact.get("notify") or contact["security"])


def _days(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a retention is no duration")
    return int(match[1]) * _DAYS[match[2]]
