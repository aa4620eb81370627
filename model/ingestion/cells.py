"""The smallest cell of patients who are alike in what could re-identify them, and what is suppressed to enlarge it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import ibis

from model.deid.groups import groups

PERSON = "patient_id"
_SIZE = "cell_size"


@dataclass(frozen=True)
class Cells:
    """What was found of the cells of a hospital's patients."""

    smallest: int | None = None
    """Patients in the smallest cell, after suppression; nothing without patients."""
    suppressed: dict[str, int] = field(default_factory=dict)
    """Of how many patients a value was suppressed, by attribute."""


def age_band(age: ibis.Value) -> ibis.Value:
    """Return the band of an age as a number; nothing for no age."""
    starts = groups().table.cells.age_bands
    return ibis.ifelse(age.isnull(), None, sum((age >= start).cast("int64") for start in starts))


def suppress(database: ibis.BaseBackend, people: ibis.Table) -> tuple[ibis.Table, Cells]:
    """Suppress values until each patient's cell is large enough, or nothing is left that may be suppressed.

    An attribute is suppressed for all patients of the cells that are too small at its turn; patients without a value
    are alike in it. So no combination of the published values belongs to fewer patients than the rules allow, unless
    the attributes that the model needs alone make it so.

    Parameters
    ----------
    database : ibis.BaseBackend
        Runs each step.
    people : ibis.Table
        One row a patient: ``patient_id`` and the attributes of ``groups.yaml``.
    """
    rules = groups().table.cells
    attributes = [*rules.fixed, *rules.suppress]
    current = database.create_table("cells", people.select(PERSON, *attributes), temp=True)
    before = _held(current, rules.suppress)
    for number, name in enumerate(rules.suppress):
        sized = _sized(current, attributes)
        kept = ibis.ifelse(sized[_SIZE] < rules.least, ibis.null("string"), sized[name])
        current = database.create_table(f"cells_{number}", sized.mutate(**{name: kept}).drop(_SIZE), temp=True)
    after = _held(current, rules.suppress)
    smallest = _sized(current, attributes)[_SIZE].min().to_pyarrow().as_py()
    lost = {name: before[name] - after[name] for name in sorted(rules.suppress) if before[name] > after[name]}
    return current, Cells(smallest, lost)


def _sized(people: ibis.Table, attributes: Sequence[str]) -> ibis.Table:
    return people.mutate(**{_SIZE: people.count().over(ibis.window(group_by=list(attributes)))})


def _held(people: ibis.Table, attributes: Sequence[str]) -> dict[str, int]:
    found = people.aggregate(**{name: people[name].count() for name in attributes}).to_pyarrow().to_pylist()
    return {name: int(number) for name, number in found[0].items()}
