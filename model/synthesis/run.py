"""The ``synthesize`` command: simulate a population and write it as FHIR."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from model.errors import UserError
from model.io import storage
from model.io.console import progress
from model.synthesis.bundles import BundleWriter
from model.synthesis.population import Person, simulate
from model.synthesis.units import UNITS


@dataclass(frozen=True)
class Synthesized:
    """Result of :func:`synthesize`.

    Attributes
    ----------
    patients, stays, resources : int
        Numbers of patients, finished inpatient stays and FHIR resources.
    out : str
        Folder or S3 prefix of the FHIR files.

    Examples
    --------
    >>> from model import Synthesized
    >>> Synthesized(patients=100, stays=180, resources=9000, out="fhir").stays
    180
    """

    patients: int
    stays: int
    resources: int
    out: str


def synthesize(
    *,
    patients: int,
    seed: int,
    out: str,
    ndjson: bool = False,
    truth: str | None = None,
    units: Sequence[str] = UNITS,
    until: date | None = None,
) -> Synthesized:
    """Write a synthetic population as FHIR R4: one Bundle a patient, or one NDJSON file a resource type.

    Parameters
    ----------
    patients : int
        Number of patients to simulate.
    seed : int
        Random seed.
    out : str
        Folder or S3 prefix.
    ndjson : bool
        Write Bulk Data NDJSON instead of Bundles.
    truth : str, optional
        File for the true risk of each discharge (NDJSON); outside ``out``, where it would be read as data.
    units : sequence of str
        Units of the hospital; each stay is in one of them.
    until : date, optional
        Day at whose beginning, in UTC, the record ends; stays that go on then have no end. Without it the record is of
        finished stays that end before 2025.

    Returns
    -------
    Synthesized
        Numbers of patients, stays and resources.

    Raises
    ------
    UserError
        If ``patients`` is less than 1, a unit has no name, or a file cannot be written.

    Examples
    --------
    >>> from model import synthesize
    >>> synthesize(patients=240, seed=1, out="fhir").patients
    240
    """
    if patients < 1:
        raise UserError("--patients must be at least 1.")
    if not units or not all(unit.strip() for unit in units):
        raise UserError("--units must be names, separated by commas.")
    end = None if until is None else datetime.combine(until, time(), UTC)
    stays = resources = 0
    risks: list[str] = []
    lines: dict[str, list[str]] = {}
    with progress("patients", patients) as advance:
        for number in range(patients):
            person = simulate(number, seed)
            if until is not None:
                person = person.until(until)
            writer = BundleWriter(person, seed, units, end)
            bundle = writer.bundle()
            stays += len(person.stays)
            resources += len(bundle["entry"])
            risks.extend(_risks(person, writer.patient))
            if ndjson:
                for entry in bundle["entry"]:
                    lines.setdefault(entry["resource"]["resourceType"], []).append(_text(entry["resource"]))
            else:
                storage.write(
                    storage.join(out, f"{writer.patient.removeprefix('urn:uuid:')}.json"), _text(bundle).encode()
                )
            advance(1)
    for kind, rows in lines.items():
        storage.write(storage.join(out, f"{kind}.ndjson"), ("\n".join(rows) + "\n").encode())
    if truth:
        storage.write(truth, ("\n".join(risks) + "\n").encode())
    return Synthesized(patients=patients, stays=stays, resources=resources, out=out)


def _risks(person: Person, patient: str) -> list[str]:
    return [
        _text({"patient": patient.removeprefix("urn:uuid:"), "end": stay.end.isoformat(), "risk": stay.risk})
        for stay in person.stays
    ]


_text: Callable[[object], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
