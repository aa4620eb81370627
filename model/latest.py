"""A patient's latest discharge in a features file."""

from dataclasses import dataclass

import pyarrow.compute as pc

from model.errors import UserError
from model.features.build import load
from model.features.definitions import definitions

ANY = "any"


@dataclass(frozen=True)
class Discharge:
    """One discharge as a model's input."""

    patient: str
    index: str
    columns: dict[str, list[float | None]]


def latest(features: str, patient: str) -> Discharge:
    """Return the latest discharge of a patient, or of the patient discharged last when any will do."""
    table, _ = load(features)
    if patient != ANY:
        table = table.filter(pc.equal(table["patient_id"], patient))
    if not table.num_rows:
        raise UserError(f"There is no discharge of patient {patient} in {features}; give a pseudonym from it, or any.")
    order = pc.sort_indices(table, sort_keys=[("discharged_at", "descending"), ("index_id", "ascending")])
    row = table.take(order[:1]).to_pylist()[0]
    return Discharge(row["patient_id"], row["index_id"], {name: [row[name]] for name in definitions().names})
