"""One patient as the curated data knows him: pseudonyms and a date shift, all from one keyed HMAC."""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from model.deid.keys import PatientSecret

LONGEST_SHIFT_DAYS = 365
DIGEST_CHARACTERS = 40
OLDEST_AGE = 89

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def secret_input(hospital: str, patient_id: str) -> str:
    """Return what is keyed for a patient; the hospital keeps the same id of two hospitals apart."""
    return f"{hospital}|Patient|{patient_id}"


@dataclass(frozen=True)
class Subject:
    """A patient's pseudonyms and shift."""

    secret: PatientSecret

    def pseudonym(self, kind: str, identity: str) -> str:
        """Return the keyed pseudonym of one of the patient's records, with the key's version in front."""
        digest = hmac.digest(self.secret.key, f"{kind}|{identity}".encode(), "sha256").hex()
        return f"{self.secret.version}-{digest[:DIGEST_CHARACTERS]}"

    @cached_property
    def shift(self) -> timedelta:
        """Return the shift of all the patient's dates: whole days, at least one and at most a year, back in time."""
        number = int.from_bytes(hmac.digest(self.secret.key, b"shift", "sha256")[:8], "big")
        return timedelta(days=-(1 + number % LONGEST_SHIFT_DAYS))

    def moved(self, text: object, until: date) -> str | None:
        """Return a FHIR date or time moved by the shift, in UTC.

        Parameters
        ----------
        text
            The date; one without a day has no place on the calendar and is dropped.
        until
            The patient's last day, or today: a date more than 89 years before would tell an age over 89 and is
            dropped (45 CFR 164.514(b)(2)(i)(C)).
        """
        moment = moment_of(text)
        if moment is None or until.year - moment.year > OLDEST_AGE:
            return None
        try:
            return (moment + self.shift).isoformat()
        except OverflowError:
            return None

    def birth(self, born: object, until: date) -> dict[str, int | bool] | None:
        """Return the year of the shifted birth date; for those over 89 only that they are.

        Ages count by calendar years, so that no other published year, subtracted, gives more than 89, and so
        that the answer holds until the year ends.
        """
        moment = moment_of(born)
        if moment is None or moment.date() > until:
            return None
        try:
            year = (moment + self.shift).year
        except OverflowError:
            return {"over_89": True}
        return {"over_89": True} if until.year - year > OLDEST_AGE else {"year": year, "over_89": False}


def moment_of(text: object) -> datetime | None:
    """Return a FHIR date or dateTime as a UTC moment; nothing for a partial or impossible one."""
    if not isinstance(text, str) or not (_MOMENT.fullmatch(text) or _DAY.fullmatch(text)):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
