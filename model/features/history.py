"""What was known of a patient at discharge: earlier stays and visits, conditions, measurements, drugs."""

from collections.abc import Mapping

import ibis

from model.features.definitions import Definitions, Feature
from model.features.stays import DAY, HOUR

WINDOW_SECONDS = {"day": DAY, "year": 365 * DAY}
WRONG_CONDITION = ("refuted", "entered-in-error")
WRONG_RESULT = ("cancelled", "entered-in-error")
WRONG_ORDER = ("entered-in-error", "draft")

Columns = Mapping[str, ibis.Value]


def _at(moment: ibis.Value) -> ibis.Value:
    return moment.epoch_seconds()


def _beside(index: ibis.Table, records: ibis.Table) -> ibis.Table:
    """Return each index discharge with each of the patient's records."""
    keys = index.select("index_id", "patient_id", "admitted_at", "discharged_at")
    return keys.inner_join(records, "patient_id")


def prior_stays(index: ibis.Table, all_stays: ibis.Table, features: list[Feature]) -> ibis.Table:
    """Count the stays that ended before the admission."""
    records = all_stays.select("patient_id", ended=all_stays.discharged_at)
    pair = _beside(index, records)
    pair = pair.filter(pair.ended <= pair.admitted_at)
    ago = _at(pair.admitted_at) - _at(pair.ended)
    counts: Columns = {f.name: (ago <= f.days * DAY).sum() for f in features}
    return pair.group_by("index_id").agg(**counts)


def visits(index: ibis.Table, encounters: ibis.Table, table: Definitions) -> ibis.Table:
    """Count the emergency visits before the admission, and say whether one led to it."""
    e = encounters
    real = e["class"].isin(table.stay.visits) & ~e.status.coalesce("unknown").isin(table.stay.not_real)
    pair = _beside(index, e.filter(real).select("patient_id", "started_at"))
    pair = pair.filter(pair.started_at <= pair.admitted_at)
    ago = _at(pair.admitted_at) - _at(pair.started_at)
    led = ago <= table.stay.emergency_hours * HOUR
    counts: Columns = {f.name: (~led & (ago <= f.days * DAY)).sum() for f in table.of_kind("prior_visits")}
    return pair.group_by("index_id").agg(visit_led=led.any(), **counts)


def comorbidities(index: ibis.Table, conditions: ibis.Table, table: Definitions) -> ibis.Table:
    """Say which Charlson groups were recorded before the discharge, and their score."""
    c = conditions
    known = c.recorded_at.coalesce(c.onset_at)
    usable = c.filter(~c.verification_status.coalesce("").isin(WRONG_CONDITION)).mutate(known=known)
    seen = usable.select("system", "code").distinct()
    codes = ibis.memtable(_code_rows(table), schema={"coded_in": "string", "stem": "string", "label": "string"})
    plain = seen.code.replace(".", "")
    matches = seen.inner_join(
        codes,
        (seen.system == codes.coded_in)
        & (((seen.system == "icd10cm") & plain.startswith(codes.stem)) | (seen.code == codes.stem)),
    ).select("system", "code", "label")
    found = usable.inner_join(matches, ["system", "code"]).select("patient_id", "known", "label")
    pair = _beside(index, found)
    pair = pair.filter(pair.known <= pair.discharged_at)
    flags: Columns = {f"is_{name}": (pair.label == name).any() for name in table.comorbidities}
    return pair.group_by("index_id").agg(**flags)


def labs(index: ibis.Table, observations: ibis.Table, table: Definitions) -> ibis.Table:
    """Take the last, highest or lowest measurement of each window, in the lab's own unit."""
    columns = {
        "code": "string",
        "unit": "string",
        "lab": "string",
        "factor": "float64",
        "low": "float64",
        "high": "float64",
    }
    units = ibis.memtable(_unit_rows(table), schema=columns)
    o = observations.filter(~observations.status.coalesce("").isin(WRONG_RESULT))
    measured = o.inner_join(units, ["code", "unit"])
    measured = measured.mutate(
        number=measured.value * measured.factor, known=measured.known_at.coalesce(measured.taken_at)
    )
    plausible = (measured.number >= measured.low) & (measured.number <= measured.high)
    kept = measured.filter(plausible).select("patient_id", "observation_id", "lab", "number", "taken_at", "known")
    pair = _beside(index, kept)
    pair = pair.filter(pair.taken_at <= pair.discharged_at, pair.known <= pair.discharged_at)
    taken: Columns = {f.name: _take(pair, f) for f in table.of_kind("lab")}
    return pair.group_by("index_id").agg(**taken)


def drugs(index: ibis.Table, orders: ibis.Table, features: list[Feature]) -> ibis.Table:
    """Count the distinct drugs ordered before the discharge; what became of an order later is not asked."""
    usable = orders.filter(~orders.status.coalesce("").isin(WRONG_ORDER)).select("patient_id", "code", "authored_at")
    pair = _beside(index, usable)
    pair = pair.filter(pair.authored_at <= pair.discharged_at)
    ago = _at(pair.discharged_at) - _at(pair.authored_at)
    counts: Columns = {f.name: pair.code.nunique(where=ago <= f.days * DAY) for f in features}
    return pair.group_by("index_id").agg(**counts)


def _take(pair: ibis.Table, feature: Feature) -> ibis.Value:
    inside = pair.lab == feature.lab
    if feature.window == "stay":
        inside &= pair.taken_at >= pair.admitted_at
    else:
        inside &= _at(pair.discharged_at) - _at(pair.taken_at) <= WINDOW_SECONDS[feature.window]
    if feature.take == "last":
        return pair.number.last(where=inside, order_by=["taken_at", "observation_id", "number"])
    return pair.number.max(where=inside) if feature.take == "max" else pair.number.min(where=inside)


def _code_rows(table: Definitions) -> list[tuple[str, str, str]]:
    rows = []
    for name, group in table.comorbidities.items():
        rows += [("icd10cm", stem, name) for stem in group.icd10cm]
        rows += [("snomed", code, name) for code in group.snomed]
    return rows


def _unit_rows(table: Definitions) -> list[tuple[str, str, str, float, float, float]]:
    return [
        (code, unit, name, factor, lab.low, lab.high)
        for name, lab in table.labs.items()
        for code in lab.codes
        for unit, factor in lab.units.items()
    ]
