"""A patient's latest discharge in a features file."""

import secrets
import tempfile
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from model.deid.keys import KEY_BYTES, LocalKeyring
from model.errors import UserError
from model.features.build import build, load
from model.features.definitions import definitions
from model.ingestion.run import ingest
from model.ingestion.sources import SUFFIXES

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
    """Return the latest discharge in a FHIR file, through the same ingestion and features as everything else.

    The pseudonyms are of a key that is thrown away: nothing of the bundle stays.
    """
    with tempfile.TemporaryDirectory(prefix="score-") as scratch:
        ring = LocalKeyring(secrets.token_bytes(KEY_BYTES))
        ingest(bundle, hospital="bundle", out=f"{scratch}/curated", ring=ring)
        build(f"{scratch}/curated", out=f"{scratch}/features.parquet")
        table, _ = load(f"{scratch}/features.parquet")
    return _latest(table, bundle, ANY)


def _latest(table: pa.Table, features: str, patient: str) -> Discharge:
    if patient != ANY:
        table = table.filter(pc.equal(table["patient_id"], patient))
    if not table.num_rows:
        raise UserError(f"There is no discharge of patient {patient} in {features}; give a pseudonym from it, or any.")
    order = pc.sort_indices(table, sort_keys=[("discharged_at", "descending"), ("index_id", "ascending")])
    row = table.take(order[:1]).to_pylist()[0]
    return Discharge(row["patient_id"], row["index_id"], {name: [row[name]] for name in definitions().names})
