"""The ``features`` command: the feature table, one row an index discharge, from the curated tables."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from model.definitions.features import LABEL, Definitions, definitions, digest
from model.definitions.units import units
from model.errors import UserError
from model.features import asof
from model.features.counts import check_units, counts, measured_counts
from model.features.curated_input import opened_tables
from model.features.edition import Edition, Publish, to_file
from model.features.engines import Engine
from model.features.expression import FRESH, Keep, Tables, age_column, expression, labelled_stays
from model.features.feature_file import file_content
from model.features.feature_rows import shaped
from model.io import storage

DUCKDB = "duckdb"
ALL_STAYS = "all_stays"
"""Name of the table of every stay, whether it is scored or not."""


@dataclass(frozen=True)
class Featurised:
    """Result of :func:`model.build_features`.

    Attributes
    ----------
    out : str
        Parquet file of the features.
    discharges, labelled, readmitted, patients : int
        Numbers of index discharges, of those with a label, of those with the label 1, and of patients.
    definition_digest : str
        SHA-256 of the feature definitions.
    return_days : int
        Readmission window in days.
    engine : str
        Query engine: duckdb or spark.
    counts : dict of str to int
        Excluded stays by reason, and values of measurements by unit.

    Examples
    --------
    >>> from model import Featurised
    >>> done = Featurised("features.parquet", 1200, 1100, 110, 900, "6c69d43bdf73", 30)
    >>> done.readmitted / done.labelled
    0.1
    """

    out: str
    discharges: int
    labelled: int
    readmitted: int
    patients: int
    definition_digest: str
    return_days: int
    engine: str = DUCKDB
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Online:
    """Result of :func:`model.build_features_as_of`.

    Attributes
    ----------
    out : str
        Parquet file of the features.
    as_of : str
        Time of the features (ISO 8601, UTC), on the patient's shifted calendar.
    patients : int
        Number of patients in hospital at that time.
    definition_digest : str
        SHA-256 of the feature definitions.
    freshness : dict of str to float or None
        Of one patient, the age of the newest record of each group in hours.
    features : dict of str to float or None
        Of one patient, the features by name; None for missing.

    Examples
    --------
    >>> from model import Online
    >>> online = Online("online.parquet", "2026-03-01T08:00:00+00:00", 1, "6c69d43bdf73", {"observations": 2.5})
    >>> online.freshness["observations"]
    2.5
    """

    out: str
    as_of: str
    patients: int
    definition_digest: str
    freshness: dict[str, float | None] = field(default_factory=dict)
    features: dict[str, float | None] = field(default_factory=dict)


def build(
    curated_place: str,
    *,
    out: str,
    engine_name: str = DUCKDB,
    count_planned: bool | None = None,
    max_unknown_units: float | None = None,
    publish: Publish = to_file,
    stays: str | None = None,
) -> Featurised:
    """Compute the features of every index discharge and publish them as one Parquet file.

    Parameters
    ----------
    curated_place : str
        Folder or S3 prefix of the curated tables.
    out : str
        Parquet file to write.
    engine_name : str
        Query engine: duckdb or spark.
    count_planned : bool, optional
        Whether a planned return counts as a readmission; default: the feature definitions.
    max_unknown_units : float, optional
        Largest share (0 to 1) of a measurement's values with an unknown unit; above it nothing is published; default:
        ``model/definitions/units.yaml``.
    publish : callable, optional
        Publishes the features with the tables that they were computed from; default: writes the file alone.
    stays : str, optional
        Also the Parquet file of the stays that go on, as if each ended with the newest record of its patient.

    Returns
    -------
    Featurised
        Numbers of discharges, labels and patients, and exclusion counts by reason.

    Raises
    ------
    GateError
        If too large a share of a measurement's values has an unknown unit.
    UserError
        If the curated tables cannot be read, or have another schema version.

    Examples
    --------
    >>> from model import build_features
    >>> done = build_features("curated", out="features.parquet")
    >>> done.return_days, done.discharges > done.readmitted > 0
    (30, True)
    """
    if max_unknown_units is not None and not 0 <= max_unknown_units <= 1:
        raise UserError("--max-unknown-units must lie between 0 and 1.")
    table = definitions()
    if count_planned is not None:
        table = table.counting_planned(count_planned)
    with opened_tables(curated_place, engine_name) as opened:
        rows, exclusions = compute(opened.engine, opened.tables, table, max_unknown_units=max_unknown_units)
        made_from = opened.made_from | {"planned_returns_count": table.stay.planned.count_as_return}
        publish(Edition(out, file_content(rows, made_from), opened.manifests, opened.folder))
        if stays is not None:
            storage.write(stays, file_content(going_on(opened.engine, opened.tables), opened.made_from))
    return Featurised(
        out=out,
        discharges=rows.num_rows,
        labelled=rows.num_rows - rows[LABEL].null_count,
        readmitted=pc.sum(rows[LABEL]).as_py() or 0,
        patients=len(rows["patient_id"].unique()),
        definition_digest=digest(),
        return_days=table.stay.return_days,
        engine=engine_name,
        counts=exclusions,
    )


def build_as_of(
    curated_place: str, *, out: str, at: str, patient: str | None = None, engine_name: str = DUCKDB
) -> Online:
    """Compute the features of the patients in hospital at a time, as if their stays ended then, and publish them.

    Parameters
    ----------
    curated_place : str
        Folder or S3 prefix of the curated tables.
    out : str
        Parquet file to write: as :func:`build` writes it, without labels, with a column ``…_age_hours`` for each
        group of records.
    at : str
        Time (ISO 8601, UTC), on the patient's shifted calendar.
    patient : str, optional
        Pseudonym of one patient; default: all patients in hospital.
    engine_name : str
        Query engine: duckdb or spark.

    Returns
    -------
    Online
        Number of patients; for one patient also the features and the age of the newest records (hours).

    Raises
    ------
    UserError
        If no patient, or not this one, has a stay at that time.

    Examples
    --------
    >>> from model import UserError, build_features_as_of
    >>> try:
    ...     build_features_as_of("curated", out="online.parquet", at="1900-01-01")
    ... except UserError as error:
    ...     print(str(error).partition(" that")[0])
    No patient has a stay at 1900-01-01T00:00:00+00:00
    """
    moment = asof.moment(at)
    with opened_tables(curated_place, engine_name) as opened:
        rows = as_known(opened.engine, opened.tables, moment, patient)
    who = f"Patient {patient} has no stay" if patient else "No patient has a stay"
    if not rows.num_rows:
        raise UserError(
            f"{who} at {moment.isoformat()} that could end in a discharge; give a moment within a stay, on the "
            "patient's shifted calendar."
        )
    storage.write(out, file_content(rows, opened.made_from | {"as_of": moment.isoformat()}))
    row = rows.slice(0, 1).to_pylist()[0] if patient else {}
    return Online(
        out=out,
        as_of=moment.isoformat(),
        patients=rows.num_rows,
        definition_digest=digest(),
        freshness={name: row[age_column(name)] for name in FRESH if row},
        features={name: row[name] for name in definitions().names if row},
    )


def compute(
    runs: Engine, tables: dict[str, ibis.Table], table: Definitions, *, max_unknown_units: float | None = None
) -> tuple[pa.Table, dict[str, int]]:
    """Return the feature rows of every index discharge, and what was left out."""
    refusal = units().table.refusal
    if max_unknown_units is not None:
        refusal = refusal.model_copy(update={"share": max_unknown_units})
    measured = measured_counts(runs, tables, table)
    check_units(measured, table, refusal)
    all_stays = runs.keep(ALL_STAYS, labelled_stays(tables, table))
    rows = shaped(runs.fetch(expression(tables, table, all_stays, keep=runs.keep)), table)
    return rows, counts(runs, tables, table, all_stays, rows, measured)


def as_known(runs: Engine, tables: dict[str, ibis.Table], at: datetime, patient: str | None) -> pa.Table:
    """Return the feature rows of the stays that last until a moment, from what was recorded by then."""
    return shaped(runs.fetch(known_features(tables, at, patient, keep=runs.keep)), definitions(), fresh=True)


def known_features(tables: Tables, at: datetime | ibis.Value, patient: str | None = None, *, keep: Keep) -> ibis.Table:
    """Return the feature table of the stays that last until a moment, from what was recorded by then."""
    visible = asof.known_at(tables, at, patient)
    all_stays = keep(ALL_STAYS, labelled_stays(visible, definitions()))
    return expression(visible, definitions(), all_stays, index=asof.leaving(all_stays, at), fresh=True, keep=keep)


def going_on(runs: Engine, tables: dict[str, ibis.Table]) -> pa.Table:
    """Return the feature rows of the stays that go on, as if each ended with the newest record of its patient."""
    visible, inpatients = asof.at_newest(tables)
    all_stays = runs.keep("stays_that_go_on", labelled_stays(visible, definitions()))
    index = all_stays.join(inpatients, "patient_id")
    index = index.filter(index.discharged_at == index.newest).drop("newest")
    return shaped(
        runs.fetch(expression(visible, definitions(), all_stays, index=index, fresh=True, keep=_kept_apart(runs))),
        definitions(),
        True,
    )


def _kept_apart(runs: Engine) -> Callable[[str, ibis.Table], ibis.Table]:
    """Keep parts under names of their own: those of the discharges have theirs in the same engine."""
    return lambda name, part: runs.keep(f"{name}_that_go_on", part)


def build_at(curated_place: str, at: datetime) -> pa.Table:
    """Return the feature rows of the stays that last until a moment; none when there are none."""
    with opened_tables(curated_place, DUCKDB) as opened:
        return as_known(opened.engine, opened.tables, at, None)


def who_and_when(curated_place: str) -> tuple[int, datetime | None]:
    """Return how many patients the curated tables hold, and when their newest record became known."""
    with opened_tables(curated_place, DUCKDB) as opened:
        runs, tables = opened.engine, opened.tables
        people = runs.fetch(tables["patient"].select("patient_id").distinct())
        newest = [runs.fetch(asof.newest(tables, name).as_table())["newest"][0].as_py() for name in asof.KNOWN]
    return people.num_rows, max((when for when in newest if when is not None), default=None)
