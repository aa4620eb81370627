"""Departure of a patient, place and time: from the encounter of the record, or without one from the identity lookup."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from model.deid.subject import moment_of
from model.identity_store.identity_values import unit_of
from model.identity_store.lookup_tables import STAY
from model.io.json_elements import element
from services.care.context import Care
from services.care.fresh.patient_record import PatientRecord


@dataclass(frozen=True)
class Departure:
    """The end of a stay.

    Parameters
    ----------
    unit
        The unit that the patient leaves, in the words of the EHR; None where it is not recorded.
    ended_at
        True time of the discharge; None while the stay goes on.
    """

    unit: str | None
    ended_at: datetime | None


def departure(care: Care, record: PatientRecord, encounter: str) -> Departure | None:
    """Return where and when a patient leaves; None for a stay that neither the record nor the lookup has.

    Parameters
    ----------
    care : Care
        The collaborators of care.
    record : PatientRecord
        The patient's record, which may be empty.
    encounter : str
        Pseudonym of the stay.

    Raises
    ------
    UserError
        When Vault does not answer.
    """
    resource = record.resource("Encounter", record.encounter_id)
    if resource is not None:
        return Departure(
            unit_of(resource), moment_of(element(resource.get("period")).get("end"), care.zone, end_of_day=True)
        )
    with care.transaction() as connection:
        query = sa.select(STAY.c.unit, STAY.c.ended_at).where(STAY.c.encounter == encounter)
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    unit, ended_at = care.cipher.decrypt_recorded(row)
    return Departure(unit, None if ended_at is None else datetime.fromisoformat(ended_at))
