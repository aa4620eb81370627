"""Pseudonymised patient: pseudonyms and a date shift, derived from one keyed HMAC."""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property

from model.deid.keys import PatientSecret

LONGEST_SHIFT_DAYS = 365
DIGEST_CHARACTERS = 40

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PART = re.compile(r"\d{4}(-\d{2})?", re.ASCII)


def secret_input(hospital: str, patient_id: str) -> str:
    """Return what is keyed for a patient; the hospital keeps the same id of two hospitals apart."""
    return f"{hospital}|Patient|{patient_id}"


@dataclass(frozen=True)
class Subject:
    """A patient's pseudonyms and shift."""

    secret: PatientSecret

    def pseudonym(self, kind: str, identity: str) -> str:
        """Return the keyed pseudonym of one of the patient's records, with the key's version in front."""
        # JSON can hold half a character, which UTF-8 cannot.
        keyed = f"{kind}|{identity}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self.secret.key, keyed, "sha256").hex()
        return f"{self.secret.version}-{digest[:DIGEST_CHARACTERS]}"

    @cached_property
    def shift(self) -> timedelta:
        """Return the shift of all the patient's dates: whole days, at least one and at most a year, back in time."""
        number = int.from_bytes(hmac.digest(self.secret.key, b"shift", "sha256")[:8], "big")
        return timedelta(days=-(1 + number % LONGEST_SHIFT_DAYS))

    def moved(self, text: object, zone: tzinfo = UTC, *, end_of_day: bool = False) -> str | None:
        """Return a FHIR date or time moved by the shift, in UTC.

        Parameters
        ----------
        text
            The date; one without a day has no place on the calendar and is dropped.
        zone : tzinfo
            The hospital's time zone, in which a date without a time is a day.
        end_of_day : bool
            Whether a date without a time means the end of that day.
        """
        return self._shifted(moment_of(text, zone, end_of_day=end_of_day))

    def death(self, text: object, zone: tzinfo) -> dict[str, str | bool | None] | None:
        """Return when a patient died: ``at`` the moment, ``since`` the start of that local day, both moved.

        Of a month or a year alone there is no moment: ``since`` is its start, and ``vague`` is true.
        """
        moment = moment_of(text, zone, end_of_day=True)
        if moment is not None:
            day = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
            return {"at": self._shifted(moment), "since": self._shifted(day), "vague": False}
        if not isinstance(text, str) or not _PART.fullmatch(text):
            return None
        first = moment_of(f"{text}-01" if len(text) > len("2024") else f"{text}-01-01", zone)
        return {"at": None, "since": self._shifted(first), "vague": True} if first else None

    def _shifted(self, moment: datetime | None) -> str | None:
        try:
            return None if moment is None else (moment.astimezone(UTC) + self.shift).isoformat()
        except OverflowError:
            return None


def moment_of(text: object, zone: tzinfo = UTC, *, end_of_day: bool = False) -> datetime | None:
    """Return a FHIR date or dateTime as a UTC moment; nothing for a partial or impossible one.

    A date without a time is the start of the day in the zone, or its last second.
    """
    if not isinstance(text, str):
        return None
    try:
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
        if not _DAY.fullmatch(text):
            return None
        day = datetime.fromisoformat(text)
        if end_of_day:
            day = day.replace(hour=23, minute=59, second=59)
        return day.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
