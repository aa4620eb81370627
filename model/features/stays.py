"""Inpatient stays: encounters joined over transfers and overlaps, with exclusion reason and label."""

import ibis

from model.definitions.features import LABEL, StayRules

HOUR = 3600
DAY = 86_400
YEAR = 366
OLDEST = 90
"""The age of everybody who is older (45 CFR 164.514(b)(2)(i)(C))."""


def seconds(moment: ibis.Value) -> ibis.Value:
    """Return a moment as whole seconds since 1970, in 64 bits."""
    return moment.epoch_seconds().cast("int64")


def inpatient(encounters: ibis.Table, rules: StayRules) -> ibis.Table:
    """Return the encounters of an inpatient class, with what is wrong with each in ``fault`` (null: it counts)."""
    e = encounters.filter(encounters["class"].isin(rules.classes))
    status = e.status.coalesce("unknown")
    return e.mutate(
        fault=ibis.cases(
            (e.started_at.isnull(), "no_start"),
            ((e.ended_at < e.started_at).fill_null(False), "negative_length"),
            else_=ibis.null("string"),
        ),
        endless=e.ended_at.isnull() & status.isin(rules.over),
        open=e.ended_at.isnull() & ~status.isin(rules.over),
    )


def stays(encounters: ibis.Table, rules: StayRules, nonacute: tuple[str, ...]) -> ibis.Table:
    """Return one row a stay: encounters that overlap, touch or continue one another, in chains of any length.

    An encounter that goes on covers all that follows. One that is over but has no end counts from its start,
    as a return, but its stay is no discharge.

    Parameters
    ----------
    encounters : ibis.Table
        The curated encounters.
    rules : StayRules
        What counts as a stay and as a transfer.
    nonacute : tuple of str
        The encounter classes that are no acute care.
    """
    counted = inpatient(encounters, rules)
    e = counted.filter(counted.fault.isnull()).mutate(until=counted.ended_at.coalesce(counted.started_at))
    end_of_transfer = ibis.ifelse(e.disposition.isin(rules.transfer), e.until, ibis.null(e.until.type()))
    e = e.mutate(transferred_until=end_of_transfer)
    order = ["started_at", "until", "encounter_id"]
    before = ibis.window(group_by="patient_id", order_by=order, preceding=(None, 1))
    so_far = ibis.window(group_by="patient_id", order_by=order, preceding=None, following=0)
    e = e.mutate(
        earlier_until=e.until.max().over(before),
        earlier_transfer=e.transferred_until.max().over(before),
        earlier_open=e.open.cast("int64").max().over(before).fill_null(0),
    )
    gap = seconds(e.started_at) - seconds(e.earlier_until)
    transferred = (e.earlier_transfer == e.earlier_until).fill_null(False)
    reach = ibis.ifelse(transferred, max(rules.transfer_hours, rules.adjacent_hours), rules.adjacent_hours) * HOUR
    begins = e.earlier_until.isnull() | ((e.earlier_open == 0) & (gap > reach))
    e = e.mutate(begins=begins.fill_null(True).cast("int64"))
    e = e.mutate(number=e.begins.sum().over(so_far))
    urgent = e.admit_source.isin(rules.emergency_source) | e.priority.isin(rules.emergency_priority)
    backwards = [ibis.desc(name) for name in ("until", "started_at", "encounter_id")]
    e = e.mutate(
        urgent=urgent.fill_null(False),
        place=ibis.row_number().over(ibis.window(group_by=["patient_id", "number"], order_by=order)),
        from_end=ibis.row_number().over(ibis.window(group_by=["patient_id", "number"], order_by=backwards)),
    )
    return e.group_by("hospital", "patient_id", "number").agg(
        index_id=e.encounter_id.max(where=e.place == 0),
        admitted_at=e.started_at.min(),
        discharged_at=e.until.max(),
        disposition=e.disposition.max(where=e.from_end == 0),
        died=(e.died.fill_null(False) | e.disposition.isin(rules.died).fill_null(False)).any(),
        last_started_at=e.started_at.max(where=e.from_end == 0),
        last_age=e.age_at_start.max(where=e.from_end == 0),
        planned=e.priority.max(where=e.place == 0).isin(rules.planned.priorities).fill_null(False),
        nonacute=e["class"].isin(nonacute).any(),
        encounters=e.count(),
        open=e.open.any(),
        endless=e.endless.any(),
        follow_up_complete=e.followed.fill_null(False).all(),
        urgent=e.urgent.any(),
    )


def labelled(all_stays: ibis.Table, patients: ibis.Table, rules: StayRules) -> ibis.Table:
    """Return the stays with their ``exclusion_reason`` (null: an index discharge) and the readmission label.

    The readmission is the next stay. Depending on the rules a planned one does not count, nor does any stay after it
    (as in the hospital-wide readmission measure of CMS). A discharge without complete follow-up has no label.
    """
    following = ibis.window(group_by="patient_id", order_by=["admitted_at", "index_id"])
    earlier = ibis.window(group_by="patient_id", order_by=["admitted_at", "index_id"], preceding=(None, 1))
    death = ibis.ifelse(all_stays.died, all_stays.discharged_at, ibis.null(all_stays.discharged_at.type()))
    s = all_stays.mutate(death_at=death)
    s = s.mutate(
        next_admitted_at=s.admitted_at.lead().over(following),
        next_planned=s.planned.cast("int64").lead().over(following),
        earlier_death_at=s.death_at.max().over(earlier),
    )
    s = s.left_join(patients.select("patient_id", "sex", "deceased_at"), "patient_id").drop("patient_id_right")
    beyond = (seconds(s.discharged_at) - seconds(s.last_started_at)) // (YEAR * DAY)
    s = s.mutate(age=(s.last_age + beyond).clip(0, OLDEST))
    length = seconds(s.discharged_at) - seconds(s.admitted_at)
    # After a death in hospital, organs may be taken under a new encounter.
    since_death = seconds(s.admitted_at) - seconds(s.earlier_death_at)
    procurement = (since_death <= rules.procurement_days * DAY).fill_null(False)
    died = s.died | procurement | (s.deceased_at <= s.discharged_at).fill_null(False)
    wait = seconds(s.next_admitted_at) - seconds(s.discharged_at)
    returned = (wait <= rules.return_days * DAY).fill_null(False)
    if not rules.planned.count_as_return:
        returned &= s.next_planned == 0
    return s.mutate(
        exclusion_reason=ibis.cases(
            (s.open, "ongoing"),
            (s.endless, "no_end"),
            (died, "died"),
            (s.disposition.isin(rules.hospice).fill_null(False), "hospice"),
            (length < rules.shortest_hours * HOUR, "too_short"),
            else_=ibis.null("string"),
        ),
        **{LABEL: ibis.ifelse(s.follow_up_complete, returned.fill_null(False), ibis.null("boolean"))},
    )
