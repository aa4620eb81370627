"""Latest discharge of a patient, from a features file or a FHIR file."""

import secrets
import tempfile
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from model.curated.ingested import Ingested
from model.curated.run import ingest
from model.curated.shares import plural
from model.definitions.features import definitions
from model.deid.keys import KEY_BYTES, LocalKeyring
from model.errors import UserError
from model.features.build import build, build_at, who_and_when
from model.features.feature_file import load
from model.fhir.discovery import SUFFIXES
from model.fhir.record_use import record_use

ANY = "any"
NO_LIMITS = dict.fromkeys(record_use().limits.shares, 1.0)
UNREMARKABLE = frozenset(f"Observation.{why}" for why in ("no-quantity", "no-value", "code-system", "other-code"))
"""Nothing that a model of measurements could use."""
_ENCOUNTERS = {
    "Encounter.class": "the class of the encounter is not understood",
    "Encounter.implausible-date": "its dates cannot be right",
    "Encounter.no-date": "the stay's start is not recorded",
}


def is_bundle(place: str) -> bool:
    """Return whether a place is a FHIR file and no features file."""
    return place.lower().endswith(SUFFIXES)


@dataclass(frozen=True)
class Discharge:
    """One discharge as a model's input.

    Parameters
    ----------
    patient, index : str
        Pseudonyms of the patient and of the stay.
    columns : dict
        One value of each feature.
    cautions : tuple of str
        What was not used for it, for the person who reads the score.
    """

    patient: str
    index: str
    columns: dict[str, list[float | None]]
    cautions: tuple[str, ...] = ()


def latest(features: str, patient: str) -> Discharge:
    """Return the latest discharge of a patient, or of the patient discharged last when any will do."""
    table, _ = load(features)
    return _latest(table, features, patient)


def latest_of_bundle(bundle: str, zone: str | None = None) -> Discharge:
    """Return the stay that a patient's FHIR file ends in, through the same ingestion and features as everything else.

    A stay that goes on counts as ending with the newest record of the file; without one it is the latest discharge.
    The pseudonyms are of a key that is thrown away: nothing of the bundle stays.

    Parameters
    ----------
    bundle : str
        The FHIR file.
    zone : str, optional
        The hospital's time zone, as :func:`model.curated.run.ingest` takes it.

    Raises
    ------
    UserError
        When the file holds no patient or more than one, a Patient or Encounter that cannot be used, an encounter of
        another patient, or no stay that a model could be asked about.
    """
    with tempfile.TemporaryDirectory(prefix="score-") as scratch:
        curated, out = f"{scratch}/curated", f"{scratch}/features.parquet"
        ring = LocalKeyring(secrets.token_bytes(KEY_BYTES))
        read = ingest(bundle, hospital="bundle", out=curated, ring=ring, max_bad_share=1.0, zone=zone, limits=NO_LIMITS)
        people, newest = who_and_when(curated)
        _check(read, people)
        built = None if newest is None else build_at(curated, newest)
        if built is None or not built.num_rows:
            done = build(curated, out=out)
            if not done.discharges:
                raise UserError(f"The FHIR file holds no stay to score: {_why(done.counts, read)}.")
            built, _ = load(out)
    return replace(_latest(built, "the given FHIR file", ANY), cautions=_cautions(read))


def _check(read: Ingested, people: int) -> None:
    """Refuse a file that may be about somebody else, or whose stay cannot be read."""
    needed = [reason for reason in read.refused if reason.startswith(("Patient:", "Encounter:"))]
    if needed:
        raise UserError(f"The FHIR file cannot be scored: {'; '.join(needed)}; correct it.")
    if read.excluded.get("Encounter.no-patient-record"):
        raise UserError(
            "An encounter of the FHIR file is of another patient, or of one who is not in it; "
            "give the patient's own encounters with the Patient resource."
        )
    if not people:
        raise UserError("The FHIR file holds no Patient; give a file of one patient with the encounters.")
    if people != 1:
        raise UserError(f"The FHIR file holds {people} patients; give a file of one patient.")


def _cautions(read: Ingested) -> tuple[str, ...]:
    """Say which records of the file were not used for the score, by reason."""
    refused = [f"not used, {number} with an error: {reason}" for reason, number in read.refused.items()]
    return tuple(refused) + tuple(
        f"not used, {number} {plural(name.partition('.')[0])}: {name.partition('.')[2]}"
        for name, number in read.excluded.items()
        if name not in UNREMARKABLE
    )


def _why(counts: dict[str, int], read: Ingested) -> str:
    """Say why a record of stays has no discharge at risk."""
    reasons = {
        "stays_died": "the patient died in hospital",
        "stays_hospice": "the patient went to hospice",
        "stays_no_end": "the stay is over but its end is not recorded",
        "stays_too_short": "the stay is too short",
        "encounters_negative_length": "the stay ends before it begins",
    }
    texts = [text for name, text in reasons.items() if counts.get(name)]
    texts += [
        f"{_ENCOUNTERS.get(name, 'the encounter did not take place')} ({number} not used: {name})"
        for name, number in read.excluded.items()
        if name.startswith("Encounter.")
    ]
    return "; ".join(texts) or "the patient has no inpatient encounter"


def _latest(table: pa.Table, features: str, patient: str) -> Discharge:
    if patient != ANY:
        table = table.filter(pc.equal(table["patient_id"], patient))
    if not table.num_rows:
        raise UserError(f"There is no discharge of patient {patient} in {features}; give a pseudonym from it, or any.")
    order = pc.sort_indices(table, sort_keys=[("discharged_at", "descending"), ("index_id", "ascending")])
    row = table.take(order[:1]).to_pylist()[0]
    return Discharge(row["patient_id"], row["index_id"], {name: [row[name]] for name in definitions().names})
