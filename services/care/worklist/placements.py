"""Placing discharges on the worklist: for the rest of care, without a person. It writes and reads nothing back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from model.definitions.features import definitions
from services.care.worklist.ports import Override, Scores, ScoresUnavailableError
from services.care.worklist.scores import Score

SEND_AT_ONCE = 20


@dataclass(frozen=True)
class Placement:
    """A discharge and its score.

    Parameters
    ----------
    encounter, patient : str
        Pseudonyms.
    unit : str
        The unit that the patient leaves.
    discharged_at : datetime
        True time of the discharge, or the expected one.
    scored_at : datetime
        When planning answered.
    score : Score
        Its answer, and the data behind it.
    """

    encounter: str
    patient: str
    unit: str
    discharged_at: datetime
    scored_at: datetime
    score: Score


def place(connection: Connection, placement: Placement) -> str:
    """Add a discharge, or a newer score to one that is on the list, in the caller's transaction.

    Returns
    -------
    str
        The entry's ID in the addresses of the worklist.
    """
    entry = connection.scalar(
        text(
            "SELECT care.worklist_place(:encounter, :patient, :unit, :discharged_at, :scored_at, CAST(:score AS jsonb))"
        ),
        {
            "encounter": placement.encounter,
            "patient": placement.patient,
            "unit": placement.unit,
            "discharged_at": placement.discharged_at,
            "scored_at": placement.scored_at,
            "score": placement.score.model_dump_json(),
        },
    )
    return str(entry)


def awaiting_readmission(connection: Connection) -> list[tuple[str, str]]:
    """Return the discharges, as pseudonyms of encounter and patient, whose window is over and nothing is recorded."""
    statement = text("SELECT encounter, patient FROM care.worklist_awaiting_readmission(:return_days)")
    rows = connection.execute(statement, {"return_days": definitions().stay.return_days})
    return [(row.encounter, row.patient) for row in rows]


def record_readmission(connection: Connection, encounter: str, readmitted: bool) -> bool:
    """Record whether a patient came back within the readmission window.

    Returns
    -------
    bool
        Whether the entry exists and its window is over; otherwise nothing is recorded.
    """
    statement = text("SELECT care.worklist_record_readmission(:encounter, :readmitted, :return_days)")
    values = {"encounter": encounter, "readmitted": readmitted, "return_days": definitions().stay.return_days}
    return bool(connection.scalar(statement, values))


def tidy(connection: Connection) -> None:
    """Delete what is no longer of use: forms after 48 hours, drafts after 720, sessions after 90 days."""
    connection.execute(text("SELECT care.worklist_tidy()"))


def send_feedback(database: Engine, scores: Scores, log: Callable[[str], None]) -> int:
    """Send overrides that planning does not have yet; those that it does not take stay until the next call.

    Returns
    -------
    int
        Overrides that were sent.
    """
    sent = 0
    with database.begin() as connection:
        waiting = connection.execute(
            text(
                "SELECT event, encounter, record, direction, code FROM care.worklist_feedback WHERE sent_at IS NULL "
                "ORDER BY event LIMIT :most FOR UPDATE SKIP LOCKED"
            ),
            {"most": SEND_AT_ONCE},
        ).all()
        for row in waiting:
            try:
                scores.feedback(Override(row.encounter, row.record, row.direction, row.code))
            except ScoresUnavailableError:
                log("Planning does not take feedback now; the overrides wait in the database")
                break
            connection.execute(
                text("UPDATE care.worklist_feedback SET sent_at = now() WHERE event = :event"), {"event": row.event}
            )
            sent += 1
    return sent
