"""Feature table as Ibis expressions over the curated tables; runs on any engine."""

from collections.abc import Callable, Mapping

import ibis

from model.definitions.features import BASELINE, GROUPS, KEYS, LABEL, Definitions, Feature, Lace, group_column
from model.features import records
from model.features.groups import recorded
from model.features.stays import DAY, labelled, seconds, stays

FRESH = ("stays", "visits", "conditions", "labs", "drugs")
"""The groups of records with a column of their age at discharge."""

OF_STAY = {
    "days": "stay_length",
    "emergency": "acute",
    "elective": "planned",
    "encounter_class": "nonacute",
    "charlson": "charlson_score",
}
"""The kinds that are a column of the stay as it is."""

Tables = Mapping[str, ibis.Table]
Keep = Callable[[str, ibis.Table], ibis.Table]


def _as_it_is(_name: str, part: ibis.Table) -> ibis.Table:
    return part


def labelled_stays(tables: Tables, table: Definitions) -> ibis.Table:
    """Return every stay with its exclusion reason and its readmission label."""
    nonacute = tuple(code for feature in table.of_kind("encounter_class") for code in feature.codes)
    return labelled(stays(tables["encounter"], table.stay, nonacute), tables["patient"], table.stay)


def age_column(group: str) -> str:
    """Return the name of the column with the age (hours) of the newest record of a group of records."""
    return f"{group}_age_hours"


def expression(
    tables: Tables,
    table: Definitions,
    all_stays: ibis.Table,
    *,
    index: ibis.Table | None = None,
    fresh: bool = False,
    keep: Keep = _as_it_is,
) -> ibis.Table:
    """Return the feature table.

    Parameters
    ----------
    tables : mapping
        The curated tables by name.
    table : Definitions
        What to compute.
    all_stays : ibis.Table
        The result of :func:`labelled_stays`, best materialised once.
    index : ibis.Table, optional
        The stays to give a row, of those that may be index discharges; all of them unless given.
    fresh : bool
        Whether to add, for each group of records, the age in hours of the newest that a row used; groups of patients
        are then not added, for they are for the evaluation alone.
    keep : callable
        Computes a part by itself, as :meth:`model.features.engines.Engine.keep` does; in one plan with the rest unless
        given.
    """
    index = all_stays if index is None else index
    index = index.filter(index.exclusion_reason.isnull())
    parts = {
        "known_stays": records.prior_stays(index, all_stays, table.of_kind("prior_stays")),
        "known_visits": records.visits(index, tables["encounter"], table),
        "known_conditions": records.comorbidities(index, tables["condition"], table),
        "known_labs": records.labs(index, tables["observation"], table),
        "known_drugs": records.drugs(index, tables["medication_request"], table.of_kind("drugs")),
    }
    if not fresh:
        parts["known_groups"] = recorded(index, tables)
    wide = index
    for name, part in parts.items():
        wide = wide.left_join(keep(name, part), "index_id").drop("index_id_right")
    wide = wide.mutate(
        stay_length=(seconds(wide.discharged_at) - seconds(wide.admitted_at)) / DAY,
        acute=wide.urgent | wide.visit_led.fill_null(False),
        charlson_score=_points(wide, table, {name: group.weight for name, group in table.comorbidities.items()}),
        lace_score=_points(wide, table, {name: group.lace for name, group in table.comorbidities.items()}),
    )
    columns = {feature.name: _column(wide, feature).cast("float64") for feature in table.features}
    gaps = {f.name: columns[f.of].isnull().cast("float64") for f in table.of_kind("missing")}
    ages = {age_column(name): _age(wide, name) for name in FRESH} if fresh else {}
    beside = {} if fresh else {group_column(name): wide[group_column(name)] for name in GROUPS}
    points = {BASELINE: lace(wide, table.lace), LABEL: wide[LABEL]}
    return wide.select(*KEYS, **(columns | gaps), **points, **ages, **beside)


def _column(wide: ibis.Table, feature: Feature) -> ibis.Value:
    match feature.kind:
        case "age" | "sex":
            return _person(wide, feature)
        case "disposition":
            return wide.disposition.isin(feature.codes).fill_null(False).cast("int64")
        case "comorbidity":
            return _any_of(wide, feature.groups).cast("int64")
        case "lab":
            return wide[feature.name]
        case "missing":
            return ibis.literal(0)
        case "prior_stays" | "prior_visits" | "drugs":
            return wide[feature.name].fill_null(0)
        case _:
            return wide[OF_STAY[feature.kind]].cast("float64")


def _person(wide: ibis.Table, feature: Feature) -> ibis.Value:
    if feature.kind == "sex":
        return ibis.ifelse(wide.sex.isin(["male", "female"]), (wide.sex == "female").cast("int64"), None)
    return wide.age


def _any_of(wide: ibis.Table, groups: tuple[str, ...]) -> ibis.Value:
    condition = ibis.literal(False)
    for group in groups:
        condition = condition | wide[f"is_{group}"].fill_null(False)
    return condition


def _points(wide: ibis.Table, table: Definitions, points: dict[str, int]) -> ibis.Value:
    """Add the points of the groups; the severe form of a disease counts in place of the mild one."""
    severe = {group.replaces: name for name, group in table.comorbidities.items() if group.replaces}
    score = ibis.literal(0)
    for name in table.comorbidities:
        present = _any_of(wide, (name,))
        if name in severe:
            present = present & ~_any_of(wide, (severe[name],))
        score = score + ibis.ifelse(present, points[name], 0)
    return score


def lace(wide: ibis.Table, points: Lace) -> ibis.Value:
    """Return the LACE index (van Walraven 2010): length of stay, acuity, comorbidity, emergency visits."""
    days = wide.stay_length.floor()
    length = ibis.cases(*((days < fewer, threshold) for fewer, threshold in points.days), else_=points.days_beyond)
    acuity = ibis.ifelse(wide.acute, points.acute, 0)
    illness = ibis.cases(
        *((wide.lace_score == total, threshold) for total, threshold in enumerate(points.comorbidity)),
        else_=points.comorbidity_beyond,
    )
    visits = wide.emergency_visits_6m.fill_null(0).clip(0, points.visits)
    return (length + acuity + illness + visits).cast("int64")


def _age(wide: ibis.Table, name: str) -> ibis.Value:
    return (seconds(wide.discharged_at) - wide[f"newest_{name}"]) / 3600.0
