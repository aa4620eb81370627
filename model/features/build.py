"""The ``features`` command: one row an index discharge, from the curated tables."""

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from model import places
from model.errors import UserError
from model.features import history
from model.features.definitions import BASELINE, KEYS, LABEL, Definitions, Feature, definitions, digest
from model.features.stays import DAY, index_discharges, stays
from model.ingestion import curated

METADATA = b"healthcare-mlops"
OLDEST = 90


@dataclass(frozen=True)
class Featurised:
    """What a run wrote."""

    out: str
    discharges: int
    labelled: int
    readmitted: int
    patients: int
    definition_digest: str


def build(curated_place: str, *, out: str, engine: str = "duckdb") -> Featurised:
    """Compute the features of every index discharge and publish them as one Parquet file.

    Parameters
    ----------
    curated_place : str
        Where ``ingest`` published.
    out : str
        The Parquet file to write.
    engine : str
        What runs the expressions.
    """
    if engine != "duckdb":
        raise UserError(f"The engine {engine} is not there yet; use --engine duckdb.")
    with tempfile.TemporaryDirectory(prefix="features-") as scratch:
        manifests = curated.download(curated_place, Path(scratch))
        database = ibis.duckdb.connect(threads=2)
        database.raw_sql("SET TimeZone = 'UTC'")
        tables = {name: database.read_parquet(f"{scratch}/{name}/*.parquet") for name in curated.TABLES}
        found: pa.Table = expression(tables, definitions()).to_pyarrow()
    made_from = {
        "definition_digest": digest(),
        "definition_version": definitions().version,
        "curated": {manifest.hospital: manifest.content_digest for manifest in manifests},
        "ingest": {manifest.hospital: manifest.input_digest for manifest in manifests},
    }
    table = found.replace_schema_metadata({METADATA: json.dumps(made_from, sort_keys=True).encode()})
    places.write(out, curated.to_parquet(table))
    return Featurised(
        out=out,
        discharges=table.num_rows,
        labelled=table.num_rows - table[LABEL].null_count,
        readmitted=sum(1 for value in table[LABEL].to_pylist() if value),
        patients=len(table["patient_id"].unique()),
        definition_digest=digest(),
    )


def load(place: str) -> tuple[pa.Table, dict[str, Any]]:
    """Return a features file and what it was made from."""
    content = places.read(place)
    try:
        table = pq.read_table(io.BytesIO(content))
        made_from: dict[str, Any] = json.loads((table.schema.metadata or {})[METADATA])
    except (pa.ArrowInvalid, KeyError, ValueError):
        raise UserError(f"{place} is not a features file; make one with python -m model features.") from None
    if made_from["definition_digest"] != digest():
        raise UserError(f"{place} was made with other feature definitions; run python -m model features again.")
    return table, made_from


def expression(tables: dict[str, ibis.Table], table: Definitions) -> ibis.Table:
    """Return the feature table as an expression over the curated tables; any engine may run it."""
    encounters = tables["encounter"]
    all_stays = stays(encounters, table.stay)
    index = index_discharges(all_stays, tables["patient"], table.stay)
    known = [
        history.prior_stays(index, all_stays, table.of_kind("prior_stays")),
        history.visits(index, encounters, table),
        history.comorbidities(index, tables["condition"], table),
        history.labs(index, tables["observation"], table),
        history.drugs(index, tables["medication_request"], table.of_kind("drugs")),
    ]
    wide = index
    for part in known:
        wide = wide.left_join(part, "index_id").drop("index_id_right")
    wide = wide.mutate(
        stay_length=(wide.discharged_at.epoch_seconds() - wide.admitted_at.epoch_seconds()) / DAY,
        acute=wide.emergency_source | wide.visit_led.fill_null(False),
        charlson_score=_charlson(wide, table),
    )
    columns = {feature.name: _column(wide, feature).cast("float64") for feature in table.features}
    gaps = {f.name: columns[f.of].isnull().cast("float64") for f in table.of_kind("missing")}
    result = wide.select(*KEYS, **(columns | gaps), **{BASELINE: _lace(wide), LABEL: wide[LABEL]})
    return result.order_by(KEYS)


def _column(wide: ibis.Table, feature: Feature) -> ibis.Value:
    match feature.kind:
        case "age":
            years = (wide.discharged_at.year() - wide.birth_year).clip(0, OLDEST)
            return ibis.ifelse(wide.over_89.fill_null(False), OLDEST, years)
        case "sex":
            return ibis.ifelse(wide.sex.isin(["male", "female"]), (wide.sex == "female").cast("int64"), None)
        case "days":
            return wide.stay_length
        case "emergency":
            return wide.acute.cast("int64")
        case "disposition":
            return wide.disposition.isin(feature.codes).fill_null(False).cast("int64")
        case "comorbidity":
            return _any_of(wide, feature.groups).cast("int64")
        case "charlson":
            return wide.charlson_score
        case "lab":
            return wide[feature.name]
        case "missing":
            return ibis.literal(0)
        case _:
            return wide[feature.name].fill_null(0)


def _any_of(wide: ibis.Table, groups: tuple[str, ...]) -> ibis.Value:
    found = ibis.literal(False)
    for group in groups:
        found = found | wide[f"is_{group}"].fill_null(False)
    return found


def _charlson(wide: ibis.Table, table: Definitions) -> ibis.Value:
    """Add the weights of the groups; the severe form of a disease counts in place of the mild one."""
    severe = {group.replaces: name for name, group in table.comorbidities.items() if group.replaces}
    score = ibis.literal(0)
    for name, group in table.comorbidities.items():
        present = _any_of(wide, (name,))
        if name in severe:
            present = present & ~_any_of(wide, (severe[name],))
        score = score + ibis.ifelse(present, group.weight, 0)
    return score


def _lace(wide: ibis.Table) -> ibis.Value:
    """Return the LACE index (van Walraven 2010): length of stay, acuity, comorbidity, emergency visits."""
    days = wide.stay_length.floor()
    length = ibis.cases(
        (days < 1, 0), (days < 2, 1), (days < 3, 2), (days < 4, 3), (days < 7, 4), (days < 14, 5), else_=7
    )
    acuity = ibis.ifelse(wide.acute, 3, 0)
    comorbidity = ibis.ifelse(wide.charlson_score >= 4, 5, wide.charlson_score)
    visits = wide.emergency_visits_6m.fill_null(0).clip(0, 4)
    return (length + acuity + comorbidity + visits).cast("int64")
