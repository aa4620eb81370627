"""A patient's latest discharge in a features file."""

import secrets
import tempfile
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from model.deid.keys import KEY_BYTES, LocalKeyring
from model.errors import UserError
from model.features.build import build, build_at, load, who_and_when
from model.features.definitions import definitions
from model.ingestion.discovery import SUFFIXES
from model.ingestion.run import ingest

ANY = "any"


def is_bundle(place: str) -> bool:
    """Return whether a place is a FHIR file and no features file."""
    return place.lower().endswith(SUFFIXES)


@dataclass(frozen=True)
class Discharge:
    """One discharge as a model's input."""

    patient: str
    index: str
    columns: dict[str, list[float | None]]


def latest(features: str, patient: str) -> Discharge:
    """Return the latest discharge of a patient, or of the patient discharged last when any will do."""
    table, _ = load(features)
    return _latest(table, features, patient)


def latest_of_bundle(bundle: str) -> Discharge:
    """Return the stay that a patient's FHIR file ends in, through the same ingestion and features as everything else.

    A stay that goes on counts as ending with the newest record of the file; without one it is the latest discharge.
    The pseudonyms are of a key that is thrown away: nothing of the bundle stays.

    Raises
    ------
    UserError
        When the file holds no patient or more than one, or no stay that a model could be asked about.
    """
    with tempfile.TemporaryDirectory(prefix="score-") as scratch:
        curated, out = f"{scratch}/curated", f"{scratch}/features.parquet"
        ingest(bundle, hospital="bundle", out=curated, ring=LocalKeyring(secrets.token_bytes(KEY_BYTES)))
        people, newest = who_and_when(curated)
        if people != 1:
            raise UserError(f"The FHIR file is about {people} patients; give a file of one patient.")
        found = None if newest is None else build_at(curated, newest)
        if found is None or not found.num_rows:
            done = build(curated, out=out)
            if not done.discharges:
                raise UserError(f"The FHIR file holds no stay to score: {_why(done.counts)}.")
            found, _ = load(out)
    return _latest(found, "the given FHIR file", ANY)


def _why(counts: dict[str, int]) -> str:
    """Say why a record of stays has no discharge at risk."""
    reasons = {
        "stays_died": "the patient died in hospital",
        "stays_hospice": "the patient went to hospice",
        "stays_no_end": "the stay is over but its end is not recorded",
        "stays_too_short": "the stay is too short",
        "encounters_negative_length": "the stay ends before it begins",
        "encounters_no_start": "the stay's start is not recorded",
    }
    told = [text for name, text in reasons.items() if counts.get(name)]
    return "; ".join(told) or "the patient has no inpatient encounter"


def _latest(table: pa.Table, features: str, patient: str) -> Discharge:
    if patient != ANY:
        table = table.filter(pc.equal(table["patient_id"], patient))
    if not table.num_rows:
        raise UserError(f"There is no discharge of patient {patient} in {features}; give a pseudonym from it, or any.")
    order = pc.sort_indices(table, sort_keys=[("discharged_at", "descending"), ("index_id", "ascending")])
    row = table.take(order[:1]).to_pylist()[0]
    return Discharge(row["patient_id"], row["index_id"], {name: [row[name]] for name in definitions().names})
