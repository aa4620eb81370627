"""Identity lookup: who a pseudonym is, and which pseudonym a person has; each access is on record.

The database holds ciphertexts and blind indexes (``model.identity_store.lookup_tables``); Vault decrypts them.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from model.errors import UserError
from model.identity_store.identity_values import search_text
from model.identity_store.lookup_tables import IDENTITY, STAY
from model.identity_store.transit_cipher import TransitCipher
from model.io.database import sqlstate
from services.care import accesses
from services.care.worklist.ports import Access, IdentitiesUnavailableError, Identity
from services.database.errors import DatabaseError

MOST_FOUND = 200

log = logging.getLogger("services.care")


@dataclass(frozen=True)
class RevealedStay:
    """The true values of a stay."""

    encounter_id: str
    unit: str | None
    started_at: datetime | None
    ended_at: datetime | None
    open: bool


@dataclass(frozen=True)
class IdentityLookup:
    """Reader of the identity lookup.

    Parameters
    ----------
    engine
        The database ``care``, with the login of care's service.
    cipher
        The hospital's key.
    """

    engine: sa.Engine
    cipher: TransitCipher

    def reveal(self, encounters: Sequence[str], access: Access) -> Mapping[str, Identity]:
        """Return the identities of encounters by pseudonym; an unknown one is absent, as one of a lost key is.

        The encounters are noted on the audit record of the request first, which is written before the answer leaves.

        Parameters
        ----------
        encounters : sequence of str
            Pseudonyms.
        access : Access
            Who asks, as the record of the request names them.

        Raises
        ------
        IdentitiesUnavailableError
            When the database or Vault does not answer.
        NotOnRecordError
            When the access would not be on record.
        """
        _on_record(encounters, access)
        shown = (IDENTITY.c.name, IDENTITY.c.record_number, IDENTITY.c.birth_date, IDENTITY.c.telephone)
        query = (
            sa.select(STAY.c.encounter, *shown)
            .join(IDENTITY, IDENTITY.c.patient == STAY.c.patient)
            .where(STAY.c.encounter.in_(list(encounters)))
        )
        with self._answers() as connection:
            rows = connection.execute(query).all()
            sealed = [value for row in rows for value in row[1:] if value is not None]
            clear = dict(zip(sealed, self.cipher.decrypt_each(sealed), strict=True))
        lost = {value for value, text in clear.items() if text is None}
        identities = {}
        for row in rows:
            if not lost.isdisjoint(row[1:]):
                continue
            name, record_number, birth_date, telephone = (clear.get(value) for value in row[1:])
            identities[row.encounter] = Identity(
                name=name or "",
                record_number=record_number or "",
                birth_date=None if birth_date is None else _day(birth_date),
                telephone=telephone,
            )
        if len(identities) < len(rows):
            log.error("%d identities of the lookup have another key than Vault's", len(rows) - len(identities))
        return identities

    def find(self, record_number: str, access: Access) -> tuple[str, ...]:
        """Return the encounters, by pseudonym, of the patient with a record number; what is found is on record."""
        return self.search("record-number", record_number, access)

    def search(self, kind: str, text: str, access: Access) -> tuple[str, ...]:
        """Return the encounters of patients with a value of a kind: record-number, name, birth-date, patient-id."""
        with self._answers() as connection:
            wanted = self.cipher.indexes(search_text(kind, text))
            query = (
                sa.select(STAY.c.encounter)
                .join(IDENTITY, IDENTITY.c.patient == STAY.c.patient)
                .where(IDENTITY.c.search.overlap(wanted))
                .order_by(STAY.c.open.desc(), STAY.c.encounter)
                .limit(MOST_FOUND)
            )
            pseudonyms = tuple(connection.scalars(query))
        _on_record(pseudonyms, access)
        return pseudonyms

    def stay(self, encounter: str, access: Access) -> RevealedStay | None:
        """Return the true values of a stay, on record."""
        _on_record([encounter], access)
        columns = (STAY.c.encounter_id, STAY.c.unit, STAY.c.started_at, STAY.c.ended_at, STAY.c.open)
        with self._answers() as connection:
            row = connection.execute(sa.select(*columns).where(STAY.c.encounter == encounter)).one_or_none()
            if row is None:
                return None
            encounter_id, unit, started_at, ended_at = self.cipher.decrypt_recorded(row[:4])
        return RevealedStay(encounter_id or "", unit, _moment(started_at), _moment(ended_at), row.open)

    def current(self, days: Sequence[date] = ()) -> tuple[str, ...]:
        """Return the encounters that go on, and those that ended on some of the hospital's days; pseudonyms alone."""
        with self._answers() as connection:
            ended = [one for day in days for one in self.cipher.indexes(search_text("discharge-day", day.isoformat()))]
            condition = STAY.c.open | STAY.c.search.overlap(ended) if ended else STAY.c.open
            return tuple(connection.scalars(sa.select(STAY.c.encounter).where(condition).order_by(STAY.c.encounter)))

    @contextmanager
    def _answers(self) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, DatabaseError) as fault:
            log.error("The identity lookup does not answer (SQLSTATE %s)", sqlstate(fault))
            raise IdentitiesUnavailableError from None
        except UserError:
            log.error("Vault does not answer, or refuses the key of the identity lookup")
            raise IdentitiesUnavailableError from None


def _on_record(encounters: Sequence[str], access: Access) -> None:
    noted = accesses.current()
    noted.add(encounters)
    noted.by(access.subject, access.role, access.purpose)


def _day(text: str) -> date | None:
    """Return a birth date; nothing for one without a day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
