"""Generated curated tables of a large hospital: realistic in size and structure, not in content."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from model.curated import curated_tables

HOSPITAL = "bench"
ENCOUNTERS_PER_PATIENT = 8
INPATIENT_SHARE = 0.12
EMERGENCY_SHARE = 0.10
PER_STAY = 10
"""Measurements and half as many orders of one stay."""
START = np.datetime64("2020-01-01T00:00:00", "us")
SPAN_DAYS = 1500
CODES = (
    "2160-0",
    "14682-9",
    "718-7",
    "2951-2",
    "2823-3",
    "3094-0",
    "2345-7",
    "6690-2",
    "8480-6",
    "8462-4",
    "8867-4",
    "59408-5",
)
UNITS = ("mg/dL", "umol/L", "g/dL", "mmol/L", "mmol/L", "mg/dL", "mg/dL", "10*3/uL", "mm[Hg]", "mm[Hg]", "/min", "%")
USUAL = (1.1, 95.0, 12.5, 138.0, 4.2, 18.0, 120.0, 8.0, 128.0, 74.0, 82.0, 96.0)
ILLNESSES = (
    "I50.9",
    "E11.9",
    "E11.22",
    "J44.9",
    "N18.30",
    "I25.2",
    "C34.90",
    "I10",
    "E78.5",
    "K21.9",
    "M54.5",
    "F03.90",
)

Numbers = npt.NDArray[np.int64]


def write(folder: Path, encounters: int, seed: int = 1) -> dict[str, int]:
    """Write ``folder/<table>/part.parquet`` and return the rows of each."""
    chance = np.random.default_rng(seed)
    patients = max(1, encounters // ENCOUNTERS_PER_PATIENT)
    who = np.minimum((chance.random(encounters) ** 1.5 * patients).astype(np.int64), patients - 1)
    hour = chance.integers(0, SPAN_DAYS * 24, encounters)
    draw = chance.random(encounters)
    kind = np.where(draw < INPATIENT_SHARE, 0, np.where(draw < INPATIENT_SHARE + EMERGENCY_SHARE, 1, 2))
    length = np.where(kind == 0, chance.integers(14, 300, encounters), chance.integers(1, 8, encounters))
    stays = np.flatnonzero(kind == 0)
    tables = {
        "patient": _patients(chance, patients),
        "encounter": _encounters(chance, who, hour, hour + length, kind),
        "condition": _conditions(chance, patients),
        "observation": _observations(chance, who, hour, length, stays),
        "medication_request": _orders(chance, who, hour, length, stays),
    }
    for name, columns in tables.items():
        (folder / name).mkdir(parents=True)
        pq.write_table(
            _table(name, columns), folder / name / "part.parquet", compression="zstd", row_group_size=200_000
        )
    return {name: len(next(iter(columns.values()))) for name, columns in tables.items()}


def _table(name: str, columns: dict[str, pa.Array]) -> pa.Table:
    schema = curated_tables.schema(name)
    rows = len(next(iter(columns.values())))
    columns = columns | {"hospital": pa.array(np.full(rows, HOSPITAL))}
    filled = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.table(filled, schema=schema)


def _ids(prefix: str, numbers: Numbers) -> pa.Array:
    """Return pseudonyms of realistic length."""
    mixed = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return pa.array([f"v1-{prefix}{number:038x}" for number in mixed.tolist()])


def _moments(hours: npt.NDArray[np.number]) -> pa.Array:
    return pa.array(START + (hours * 3600).astype("timedelta64[s]")).cast(pa.timestamp("us", tz="UTC"))


def _some(chance: np.random.Generator, values: tuple[str, ...], rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(chance.integers(0, len(values), rows), list(values)).dictionary_decode()


def _patients(chance: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    return {
        "patient_id": _ids("p", np.arange(rows)),
        "sex": _some(chance, ("female", "male"), rows),
        "deceased": pa.array(np.zeros(rows, dtype=bool)),
    }


def _encounters(
    chance: np.random.Generator, who: Numbers, start: Numbers, end: Numbers, kind: Numbers
) -> dict[str, pa.Array]:
    rows = len(who)
    classes = pa.DictionaryArray.from_arrays(kind, ["IMP", "EMER", "AMB"]).dictionary_decode()
    return {
        "encounter_id": _ids("e", np.arange(rows)),
        "patient_id": _ids("p", who),
        "status": pa.array(np.full(rows, "finished")),
        "class": classes,
        "started_at": _moments(start),
        "ended_at": _moments(end),
        "disposition": _some(chance, ("home", "home", "home", "hhc", "snf", "other-hcf", "exp"), rows),
        "age_at_start": pa.array(who % 70 + 20),
        "died": pa.array(np.zeros(rows, dtype=bool)),
        "followed": pa.array(np.ones(rows, dtype=bool)),
    }


def _conditions(chance: np.random.Generator, patients: int) -> dict[str, pa.Array]:
    rows = patients * 5
    ids, whose = _ids("c", np.arange(rows)), _ids("p", chance.integers(0, patients, rows))
    illness, recorded = _some(chance, ILLNESSES, rows), _moments(chance.integers(0, SPAN_DAYS * 24, rows))
    return {
        "condition_id": ids,
        "patient_id": whose,
        "system": pa.array(np.full(rows, "icd10cm")),
        "code": illness,
        "recorded_at": recorded,
        "known_at": recorded,
    }


def _observations(
    chance: np.random.Generator, who: Numbers, start: Numbers, length: Numbers, stays: Numbers
) -> dict[str, pa.Array]:
    """Generate the measurements of each stay, and two for every other encounter."""
    other = np.setdiff1d(np.arange(len(who)), stays, assume_unique=True)
    of = np.concatenate([np.repeat(stays, PER_STAY), np.repeat(other, 2)])
    rows = len(of)
    which = chance.integers(0, len(CODES), rows)
    taken = start[of] + chance.random(rows) * length[of]
    return {
        "observation_id": _ids("o", np.arange(rows)),
        "patient_id": _ids("p", who[of]),
        "status": pa.array(np.full(rows, "final")),
        "code": pa.DictionaryArray.from_arrays(which, list(CODES)).dictionary_decode(),
        "value": pa.array(np.array(USUAL)[which] * chance.lognormal(0, 0.15, rows)),
        "unit": pa.DictionaryArray.from_arrays(which, list(UNITS)).dictionary_decode(),
        "taken_at": _moments(taken),
        "known_at": _moments(taken + 0.75),
    }


def _orders(
    chance: np.random.Generator, who: Numbers, start: Numbers, length: Numbers, stays: Numbers
) -> dict[str, pa.Array]:
    of = np.repeat(stays, PER_STAY // 2)
    rows = len(of)
    return {
        "medication_request_id": _ids("m", np.arange(rows)),
        "patient_id": _ids("p", who[of]),
        "status": pa.array(np.full(rows, "active")),
        "code": pa.array(chance.integers(100_000, 100_300, rows)).cast(pa.string()),
        "authored_at": _moments(start[of] + chance.random(rows) * length[of]),
    }
