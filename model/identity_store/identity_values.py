"""Identifying values of Patient and Encounter resources, as the identity lookup keeps them and searches for them."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from model.deid.subject import Subject, moment_of
from model.io.json_elements import Resource, element, elements

RECORD_NUMBER = "MR"
"""Code of a medical record number (HL7 v2 table 0203)."""
PHONE_ORDER = ("mobile", "home", "work", "temp", "")
GOING_ON = frozenset({"planned", "arrived", "triaged", "in-progress", "onleave"})
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class PatientValues:
    """Lookup values of a patient: pseudonym, identifying values, and search texts."""

    patient: str
    patient_id: str
    record_number: str | None
    name: str | None
    birth_date: str | None
    telephone: str | None
    searched: tuple[str, ...]


@dataclass(frozen=True)
class StayValues:
    """Lookup values of an encounter: pseudonyms, unit, true times, and search texts."""

    encounter: str
    patient: str
    encounter_id: str
    unit: str | None
    started_at: str | None
    ended_at: str | None
    open: bool
    searched: tuple[str, ...]


def patient_values(resource: Resource, subject: Subject) -> PatientValues:
    """Return the identifying values of a Patient."""
    identity = resource["id"]
    numbers = list(_record_numbers(resource))
    name, parts = _name(resource)
    birth_date = _text(resource.get("birthDate"))
    telephone = _telephone(resource)
    searched = [search_text("patient-id", identity)]
    searched += [search_text("record-number", number) for number in numbers]
    searched += [search_text("name", part) for part in parts]
    searched += [search_text("birth-date", birth_date)] if birth_date else []
    return PatientValues(
        patient=subject.pseudonym("Patient", identity),
        patient_id=identity,
        record_number=numbers[0] if numbers else None,
        name=name,
        birth_date=birth_date,
        telephone=telephone,
        searched=tuple(dict.fromkeys(searched)),
    )


def stay_values(resource: Resource, patient_id: str, subject: Subject, zone: tzinfo) -> StayValues:
    """Return the identifying values of an Encounter."""
    identity = resource["id"]
    period = element(resource.get("period"))
    ended = moment_of(period.get("end"), zone, end_of_day=True)
    searched = [search_text("encounter-id", identity)]
    searched += [search_text("discharge-day", local_day(ended, zone))] if ended else []
    return StayValues(
        encounter=subject.pseudonym("Encounter", identity),
        patient=subject.pseudonym("Patient", patient_id),
        encounter_id=identity,
        unit=unit_of(resource),
        started_at=_moment(moment_of(period.get("start"), zone)),
        ended_at=_moment(ended),
        open=ended is None and _text(resource.get("status")) in GOING_ON,
        searched=tuple(searched),
    )


def search_text(kind: str, text: str) -> str:
    """Return a value as it is indexed: with its kind, and without case, accents and repeated spaces.

    Examples
    --------
    >>> search_text("name", "  Müller ")
    'name|muller'
    """
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return f"{kind}|{_SPACES.sub(' ', plain).strip().casefold()}"


def local_day(moment: datetime, zone: tzinfo) -> str:
    """Return the hospital's day of a moment, as ISO 8601."""
    try:
        return moment.astimezone(zone).date().isoformat()
    except OverflowError:  # the last day that a date can hold
        return moment.date().isoformat()


def _record_numbers(resource: Resource) -> Iterator[str]:
    """Yield the typed record numbers; when there are none, the first identifier without a type."""
    identifiers = [one for one in elements(resource.get("identifier")) if _text(one.get("value"))]
    typed = [one for one in identifiers if RECORD_NUMBER in _codes(one)]
    for one in typed or [one for one in identifiers if not _codes(one)][:1]:
        yield str(_text(one["value"])).strip()


def _codes(identifier: Resource) -> set[str]:
    codings = elements(element(identifier.get("type")).get("coding"))
    return {code for coding in codings if (code := _text(coding.get("code")))}


def _name(resource: Resource) -> tuple[str | None, list[str]]:
    """Return the official or first name, and the texts under which any of the names is found."""
    names = [one for one in elements(resource.get("name")) if _text(one.get("family")) or _text(one.get("text"))]
    parts: list[str] = []
    for one in names:
        family, given = _text(one.get("family")) or "", _given(one)
        parts += [text for text in (family, given, f"{given} {family}", _text(one.get("text")) or "") if text.strip()]
    shown = min(names, key=lambda one: one.get("use") != "official", default=None)
    if shown is None:
        return None, parts
    family = _text(shown.get("family")) or ""
    return (", ".join(text for text in (family, _given(shown)) if text) if family else _text(shown["text"])), parts


def _given(name: Resource) -> str:
    given = name.get("given")
    return " ".join(text for one in given if (text := _text(one))) if isinstance(given, list) else ""


def _telephone(resource: Resource) -> str | None:
    phones = [
        one
        for one in elements(resource.get("telecom"))
        if one.get("system") in ("phone", "sms") and _text(one.get("value")) and one.get("use") != "old"
    ]
    order = {use: place for place, use in enumerate(PHONE_ORDER)}
    first = min(phones, key=lambda one: order.get(_text(one.get("use")) or "", len(order)), default=None)
    return None if first is None else str(_text(first["value"])).strip()


def unit_of(resource: Resource) -> str | None:
    """Return the latest location of an encounter: its display, or the id of the Location."""
    places = [one for one in elements(resource.get("location")) if isinstance(one.get("location"), dict)]
    if not places:
        return None
    current = [one for one in places if one.get("status") == "active"] or places
    latest = max(current, key=lambda one: str(element(one.get("period")).get("start") or ""))
    location = element(latest["location"])
    shown = _text(location.get("display"))
    if shown:
        return shown.strip()
    reference = _text(location.get("reference"))
    return reference.rpartition("/")[2] if reference else None


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _text(value: object) -> str | None:
    """Return a text, with a replacement for what UTF-8 or PostgreSQL cannot hold; nothing of an empty one."""
    if not isinstance(value, str) or not value.strip():
        return None
    return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
