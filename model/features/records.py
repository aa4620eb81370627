"""Patient history at discharge: earlier stays and visits, conditions, measurements, drugs.

Each function returns one row an index discharge that has any such record. ``newest_…`` is when the newest record that
a row used became known, in seconds. Records meet discharges in spans of time (:func:`_near`), not patient by patient:
work grows with the data and not with the square of a long history.
"""

from collections.abc import Mapping
from typing import Any

import ibis
import pyarrow as pa

from model.definitions.features import Definitions, Feature
from model.deid.measures import OUT_OF_BOUNDS, UNIT_REASONS
from model.features.stays import DAY, HOUR, seconds

YEAR = 365
KEY_SPAN = 100_000_000
"""Seconds between taking and knowing that an order key can hold: three years."""

TEXT, REAL = pa.string(), pa.float64()
UNKNOWN_UNIT = "unknown_unit"

Columns = Mapping[str, ibis.Value]


def _near(index: ibis.Table, records: ibis.Table, *, anchor: str, moment: str, days: int) -> ibis.Table:
    """Pair each discharge with the patient's records of the ``days`` up to its anchor; ``ago`` is in seconds.

    Both sides are cut into spans as long as the window: a discharge asks its own span and the one before.
    """
    span = days * DAY
    keys = index.select("index_id", "patient_id", "admitted_at", "discharged_at", at=seconds(index[anchor]))
    own = keys.mutate(span=keys["at"] // span)
    asked = own.union(own.mutate(span=own.span - 1))
    placed = records.mutate(since=seconds(records[moment]))
    pair = asked.inner_join(placed.mutate(span=placed.since // span), ["patient_id", "span"])
    pair = pair.mutate(ago=pair["at"] - pair.since)
    return pair.filter(pair[moment] <= pair[anchor], pair.ago <= span)


def _memory(columns: dict[str, pa.DataType], rows: list[tuple[Any, ...]]) -> ibis.Table:
    """Return a small table of the definitions."""
    return ibis.memtable(pa.table(list(zip(*rows, strict=True)), schema=pa.schema(list(columns.items()))))


def prior_stays(index: ibis.Table, all_stays: ibis.Table, features: list[Feature]) -> ibis.Table:
    """Count the stays that ended before the admission."""
    ended = all_stays.filter(~all_stays.open)
    ended = ended.select("patient_id", stay_id=ended.index_id, ended=ended.discharged_at)
    pair = _near(index, ended, anchor="admitted_at", moment="ended", days=YEAR)
    pair = pair.filter(pair.stay_id != pair.index_id)
    counts: Columns = {f.name: (pair.ago <= f.days * DAY).sum() for f in features}
    return pair.group_by("index_id").agg(newest_stays=pair.since.max(), **counts)


def visits(index: ibis.Table, encounters: ibis.Table, table: Definitions) -> ibis.Table:
    """Count the emergency visits before the admission, and say whether one led to it."""
    e = encounters
    e = e.filter(e["class"].isin(table.stay.visits), e.started_at.notnull())
    e = e.select("patient_id", "started_at", visit_ended_at=e.ended_at)
    pair = _near(index, e, anchor="admitted_at", moment="started_at", days=YEAR)
    # However long a patient waited for a bed: a visit that ended in the admission is a part of it.
    ended_there = seconds(pair.visit_ended_at) >= seconds(pair.admitted_at) - int(table.stay.adjacent_hours * HOUR)
    led = (pair.ago <= table.stay.emergency_hours * HOUR) | ended_there.fill_null(False)
    counts: Columns = {f.name: (~led & (pair.ago <= f.days * DAY)).sum() for f in table.of_kind("prior_visits")}
    return pair.group_by("index_id").agg(visit_led=led.any(), newest_visits=pair.since.max(), **counts)


def comorbidities(index: ibis.Table, conditions: ibis.Table, table: Definitions) -> ibis.Table:
    """Say which Charlson groups were recorded before the discharge."""
    c = conditions
    usable = c.filter(c.code.notnull(), c.system.notnull(), c.known_at.notnull()).mutate(known=c.known_at)
    labels = code_labels(usable.select("system", "code").distinct(), table)
    labelled = usable.inner_join(labels, ["system", "code"])
    first: Columns = {f"from_{name}": labelled.known.min(where=labelled.label == name) for name in table.comorbidities}
    since = labelled.group_by("patient_id").agg(**first)
    keys = index.select("index_id", "patient_id", "discharged_at")
    pair = keys.inner_join(since, "patient_id")
    present = {name: (pair[f"from_{name}"] <= pair.discharged_at).fill_null(False) for name in table.comorbidities}
    newest = [ibis.ifelse(there, seconds(pair[f"from_{name}"]), ibis.null("int64")) for name, there in present.items()]
    flags: Columns = {f"is_{name}": there for name, there in present.items()}
    return pair.select("index_id", newest_conditions=ibis.greatest(*newest), **flags)


def code_labels(seen: ibis.Table, table: Definitions) -> ibis.Table:
    """Return which distinct codes belong to which groups: ICD codes by their prefix, concepts by themselves."""
    stems = [
        (system, stem, name, True) for name, group in table.comorbidities.items() for system, stem in group.stems()
    ]
    concepts = [("snomed", code, name, False) for name, group in table.comorbidities.items() for code in group.snomed]
    codes = _memory(
        {"coded_in": pa.string(), "stem": pa.string(), "label": pa.string(), "prefix": pa.bool_()}, stems + concepts
    )
    seen = seen.mutate(plain=seen.code.upper().replace(".", ""))
    fits = (codes.prefix & seen.plain.startswith(codes.stem)) | (seen.code == codes.stem)
    return seen.inner_join(codes, (seen.system == codes.coded_in) & fits).select("system", "code", "label").distinct()


def measured(observations: ibis.Table, table: Definitions) -> ibis.Table:
    """Return the observations of the table's codes in its units, with what is wrong with each in ``fault``."""
    units = _memory(
        dict.fromkeys(("code", "unit"), TEXT) | dict.fromkeys(("factor", "zero", "low", "high"), REAL) | {"lab": TEXT},
        [
            (code, unit, *how, lab.low, lab.high, name)
            for name, lab in table.labs.items()
            for code, conversions in lab.conversions().items()
            for unit, how in conversions.items()
        ],
    )
    o = observations.filter(observations.code.isin(list(table.lab_of)))
    o = o.left_join(units, ["code", "unit"]).drop("code_right", "unit_right")
    o = o.mutate(number=(o.value - o.zero) * o.factor)
    inside = (o.number >= o.low) & (o.number <= o.high)
    return o.mutate(
        known=ibis.greatest(o.taken_at, o.known_at.coalesce(o.taken_at)),
        fault=ibis.cases(
            (o.taken_at.isnull(), "no_time"),
            (o.value_absent_reason.isin(UNIT_REASONS), UNKNOWN_UNIT),
            (o.value_absent_reason == OUT_OF_BOUNDS, "implausible"),
            (o.value.isnull() | o.value.isnan(), "no_value"),
            (o.lab.isnull(), UNKNOWN_UNIT),
            (~inside.fill_null(False), "implausible"),
            else_=ibis.null("string"),
        ),
    )


def labs(index: ibis.Table, observations: ibis.Table, table: Definitions) -> ibis.Table:
    """Take the last, highest or lowest measurement of each window, in the lab's own unit.

    Of two that were taken in one second, the one known later is the last; of two known in one second, the higher.
    """
    m = measured(observations, table)
    m = m.filter(m.fault.isnull())
    delay = (seconds(m.known) - seconds(m.taken_at)).clip(0, KEY_SPAN - 1)
    m = m.select("patient_id", "lab", "number", "taken_at", "known", key=seconds(m.taken_at) * KEY_SPAN + delay)
    pair = _near(index, m, anchor="discharged_at", moment="taken_at", days=YEAR)
    pair = pair.filter(pair.known <= pair.discharged_at)
    in_stay = pair.taken_at >= pair.admitted_at
    in_day = pair.ago <= DAY
    single = pair.group_by("index_id", "lab", "key").agg(
        high=pair.number.max(),
        low=pair.number.min(),
        stay=in_stay.any(),
        day=in_day.any(),
        newest=seconds(pair.known).max(),
    )
    shape: Columns = {
        f"{take}_{window}": measurement
        for window, where in _windows(single).items()
        for take, measurement in _takes(single, where)
    }
    each = single.group_by("index_id", "lab").agg(newest=single.newest.max(), **shape)
    taken: Columns = {f.name: each[f"{f.take}_{f.window}"].max(where=each.lab == f.lab) for f in table.of_kind("lab")}
    return each.group_by("index_id").agg(newest_labs=each.newest.max(), **taken)


def _windows(single: ibis.Table) -> dict[str, ibis.Value | None]:
    return {"year": None, "stay": single.stay, "day": single.day}


def _takes(single: ibis.Table, where: ibis.Value | None) -> list[tuple[str, ibis.Value]]:
    return [
        ("last", single.high.argmax(single.key, where=where)),
        ("max", single.high.max(where=where)),
        ("min", single.low.min(where=where)),
    ]


def drugs(index: ibis.Table, orders: ibis.Table, features: list[Feature]) -> ibis.Table:
    """Count the distinct drugs ordered before the discharge; what became of an order later is not asked.

    An order that names its drug in several codes is one drug: the first code in the alphabet stands for it.
    """
    o = orders.filter(orders.code.notnull(), orders.authored_at.notnull())
    o = o.group_by("patient_id", "medication_request_id").agg(code=o.code.min(), authored_at=o.authored_at.min())
    pair = _near(index, o, anchor="discharged_at", moment="authored_at", days=max(f.days for f in features))
    drug = pair.group_by("index_id", "code").agg(ago=pair.ago.min(), newest=pair.since.max())
    counts: Columns = {f.name: (drug.ago <= f.days * DAY).sum() for f in features}
    return drug.group_by("index_id").agg(newest_drugs=drug.newest.max(), **counts)
