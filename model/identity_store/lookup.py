"""Writer of the identity lookup: what ingestion knows of patients and stays, encrypted, in the database of care."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from model.deid.subject import Subject
from model.errors import UserError
from model.identity_store.identity_values import (
    PatientValues,
    StayValues,
    patient_values,
    search_text,
    stay_values,
)
from model.identity_store.lookup_tables import ENCRYPTED, IDENTITY, RUN, STAY
from model.identity_store.transit_cipher import TransitCipher
from model.io.database import DatabaseServer, connect
from model.io.json_elements import Resource
from model.io.vault import Vault

DATABASE = "care"
"""The database of the hospital that holds the lookup."""
INGEST, EHR = "ingest", "ehr"
"""Where a row is from: the nightly ingestion, or the record of one hook."""
EHR_DAYS = 3
"""Rows of hooks are kept so long when ingestion does not know the stay yet."""
ROWS_A_STATEMENT = 500

Connect = Callable[[], sa.Connection]


class LookupRecorder:
    """Collects the identities of one ingestion and publishes them in one transaction.

    Patients and stays that are not in the source are removed; rows that a hook wrote stay some days, since the record
    of a hook is newer than the night's.

    Parameters
    ----------
    hospital
        Whose patients these are.
    connect
        Opens a connection to the database ``care``.
    cipher
        The hospital's key.
    """

    def __init__(self, hospital: str, connect: Connect, cipher: TransitCipher) -> None:
        self._hospital = hospital
        self._connect = connect
        self._cipher = cipher
        self._patients: dict[str, PatientValues] = {}
        self._stays: dict[str, StayValues] = {}
        self._merged: dict[str, list[dict[str, Any]]] = {}

    def clear(self) -> None:
        """Keep nothing of what was recorded: the run begins again."""
        self._patients.clear()
        self._stays.clear()
        self._merged.clear()

    def record(self, resource: Resource, subject: Subject) -> None:
        """Note a Patient; a later version replaces an earlier one."""
        self._patients[resource["id"]] = patient_values(resource, subject)

    def stay(self, resource: Resource, patient_id: str, subject: Subject, zone: tzinfo) -> None:
        """Note an Encounter; a later version replaces an earlier one."""
        self._stays[resource["id"]] = stay_values(resource, patient_id, subject, zone)

    def merge(self, resource: Resource, survivor: str) -> None:
        """Let a patient be found by the values of a record that was merged into the patient's."""
        self._merged.setdefault(survivor, []).append(resource)

    def forget(self, patient_id: str) -> None:
        """Drop a deleted patient."""
        self._patients.pop(patient_id, None)

    def forget_stay(self, encounter_id: str) -> None:
        """Drop a deleted encounter."""
        self._stays.pop(encounter_id, None)

    def current(self, input_digest: str) -> bool:
        """Return whether the published rows were made from this input."""
        with self._connect() as connection:
            published = connection.scalar(sa.select(RUN.c.input_digest).where(RUN.c.hospital == self._hospital))
        return bool(published == input_digest)

    def publish(self, input_digest: str) -> None:
        """Encrypt and write all identities, and remove those of earlier runs."""
        patients = [self._with_merged(values) for values in self._patients.values()]
        pseudonyms = {values.patient for values in patients}
        stays = [values for values in self._stays.values() if values.patient in pseudonyms]
        rows = encrypted(patients, stays, self._cipher)
        with self._connect() as connection, connection.begin():
            write(connection, rows, source=INGEST, run=input_digest)
            for table in (STAY, IDENTITY):
                old = sa.func.now() - sa.func.make_interval(0, 0, 0, EHR_DAYS)
                gone = sa.and_(table.c.run != input_digest, (table.c.source != EHR) | (table.c.written_at < old))
                connection.execute(sa.delete(table).where(gone))
            values = {"hospital": self._hospital, "input_digest": input_digest}
            published = insert(RUN).values(**values)
            now = {"input_digest": input_digest, "published_at": sa.func.now()}
            connection.execute(published.on_conflict_do_update(index_elements=["hospital"], set_=now))

    def _with_merged(self, values: PatientValues) -> PatientValues:
        more: list[str] = []
        for resource in self._merged.get(values.patient_id, ()):
            more.append(search_text("patient-id", resource["id"]))
            numbers = (one.get("value") for one in resource.get("identifier") or ())
            more += [search_text("record-number", number) for number in numbers if isinstance(number, str)]
        searched = tuple(dict.fromkeys((*values.searched, *more)))
        return PatientValues(**(asdict(values) | {"searched": searched}))


def lookup_recorder(file: Path, hospital: str) -> LookupRecorder:
    """Return a recorder that writes with the login in a file, with the hospital's key in Vault.

    Raises
    ------
    UserError
        When the environment names no Vault, as identities are never written with a local key, or no database server.
    """
    vault = Vault.from_environment()
    if vault is None:
        raise UserError("--identity-lookup needs Vault; set VAULT_ADDR and VAULT_ROLE.")
    connection = partial(connect, file, f"{hospital}-{DATABASE}", DatabaseServer.from_environment())
    return LookupRecorder(hospital, connection, TransitCipher(vault, f"{hospital}/transit"))


Rows = Mapping[sa.Table, list[dict[str, Any]]]


def encrypted(patients: Sequence[PatientValues], stays: Sequence[StayValues], cipher: TransitCipher) -> Rows:
    """Return the rows of the two tables, with every value encrypted and every searched text indexed."""
    rows = {
        IDENTITY: [asdict(values) for values in patients],
        STAY: [asdict(values) for values in stays],
    }
    for table, columns in ENCRYPTED.items():
        _encrypt(rows[table], columns, cipher)
    texts = sorted({text for value in rows.values() for row in value for text in row["searched"]})
    units = sorted({search_text("unit", values.unit) for values in stays if values.unit})
    index = dict(zip(texts, cipher.index(texts), strict=True))
    unit_index = dict(zip(units, cipher.index(units), strict=True))
    for value in rows.values():
        for row in value:
            row["search"] = [index[text] for text in row.pop("searched")]
    for row, values in zip(rows[STAY], stays, strict=True):
        row["unit_index"] = unit_index[search_text("unit", values.unit)] if values.unit else None
    return rows


def write(connection: sa.Connection, rows: Rows, *, source: str, run: str) -> None:
    """Insert or replace rows of the lookup, in the caller's transaction."""
    for table, table_rows in rows.items():
        key = next(iter(table.primary_key.columns)).name
        for part in _parts([row | {"source": source, "run": run} for row in table_rows]):
            statement = insert(table).values(part)
            named = [*part[0], "written_at"]
            values = {name: statement.excluded[name] for name in named if name not in (key, "written_at")}
            connection.execute(
                statement.on_conflict_do_update(index_elements=[key], set_=values | {"written_at": sa.func.now()})
            )


def _encrypt(rows: list[dict[str, Any]], columns: Iterable[str], cipher: TransitCipher) -> None:
    places = [(row, name) for row in rows for name in columns if row[name] is not None]
    for (row, name), ciphertext in zip(places, cipher.encrypt([row[name] for row, name in places]), strict=True):
        row[name] = ciphertext


def _parts(rows: list[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        yield rows[start : start + ROWS_A_STATEMENT]
