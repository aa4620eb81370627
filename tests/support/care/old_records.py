"""Discharges of the running environment whose patients have no new data: a stale score, and a ranking by LACE.

The demonstration's EHR calls the hook with nothing but the encounter, so that care answers from what the last
ingestion had. How old that is depends on the patient.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from local.hospitals import discharge, patient_record
from local.hospitals.discharge import NotReadyError
from local.hospitals.ehr_client import EhrClient
from local.hospitals.patient_record import Stay
from local.paths import Home
from model.identity_store.identity_values import unit_of
from services.care.worklist import codes
from services.care.worklist_ports import unit_name
from services.planning.settings import Settings

READY_SECONDS = 90
MARGIN = timedelta(hours=1)
RECENT = timedelta(days=14)
"""Stays that began before are not asked about: nobody follows them up."""
STALE, TOO_OLD = "stale", "fallback"
SUMMARIES = {STALE: "; old data)", TOO_OLD: "No model score, ranked by LACE"}
"""What the summary of a card says of a score whose data are old, and of data that are too old for the model."""
_TIME = re.compile(rb'"(20\d\d-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))"')


def ages() -> dict[str, tuple[timedelta, timedelta]]:
    """Return between which ages the newest data of a patient give each kind of answer."""
    stale = timedelta(hours=codes.read().stale_after_hours)
    too_old = timedelta(hours=Settings.model_fields["stale_hours"].default)
    return {STALE: (stale + MARGIN, too_old - MARGIN), TOO_OLD: (too_old + MARGIN, too_old * 3)}


def newest_stays(files: Sequence[Path], now: datetime) -> Iterator[tuple[timedelta, Stay, Path]]:
    """Yield the newest stay of each patient who has a recent one, with the age of the newest data and the file."""
    first = (now - RECENT).isoformat()
    for path in files:
        stays = [stay for stay in patient_record.stays(path) if stay.started >= first]
        moments = [datetime.fromisoformat(found.decode()) for found in _TIME.findall(path.read_bytes())]
        past = [one for one in moments if one <= now]
        if stays and past:
            yield now - max(past), max(stays, key=lambda stay: stay.started), path


def without_record(home: Home, hospital: str, files: Sequence[Path], units: Collection[str]) -> dict[str, str]:
    """Call the hook without a record until a card of each kind came back, and return the cards' summaries.

    Parameters
    ----------
    home, hospital
        The environment, and its hospital.
    files
        The hospital's FHIR files, one for each patient.
    units
        The units whose patients are asked about.

    Raises
    ------
    UserError
        If the hook is refused, or not answered for long.
    """
    ehr, ranges, summaries = EhrClient(home, hospital), ages(), dict[str, str]()
    waiting = Retrying(
        stop=stop_after_delay(READY_SECONDS),
        wait=wait_fixed(2),
        retry=retry_if_exception_type(NotReadyError),
        reraise=True,
    )
    for age, stay, path in newest_stays(files, datetime.now(UTC)):
        wanted = next((kind for kind, (first, last) in ranges.items() if first <= age <= last), None)
        if wanted is None or wanted in summaries:
            continue
        encounter = patient_record.prefetch([path], stay)["encounter"]
        if unit_name(unit_of(encounter) or "", tuple(units)) not in units:
            continue
        for card in waiting(discharge.call, ehr, stay, {"encounter": encounter}):
            summary = str(card["summary"])
            if SUMMARIES[wanted] in summary:
                summaries[wanted] = summary
    return summaries
