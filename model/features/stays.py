"""From encounters to stays: transfers and overlaps joined, and the stays that are index discharges with their label."""

import ibis

from model.features.definitions import LABEL, StayRules

HOUR = 3600
DAY = 86_400


def stays(encounters: ibis.Table, rules: StayRules) -> ibis.Table:
    """Return one row a stay; encounters that overlap or continue one another are one stay.

    Parameters
    ----------
    encounters : ibis.Table
        The curated encounters.
    rules : StayRules
        What counts as a stay and as a transfer.
    """
    e = encounters
    inpatient = e.filter(
        e["class"].isin(rules.classes),
        ~e.status.coalesce("unknown").isin(rules.not_real),
        e.started_at.notnull(),
        e.ended_at.isnull() | (e.ended_at >= e.started_at),
    ).mutate(until=e.ended_at.coalesce(e.started_at))
    order = ["started_at", "until", "encounter_id"]
    each = ibis.window(group_by="patient_id", order_by=order)
    earlier_ones = ibis.window(group_by="patient_id", order_by=order, preceding=(None, 1))
    up_to_here = ibis.window(group_by="patient_id", order_by=order, preceding=None, following=0)
    earlier = inpatient.mutate(
        earlier_until=inpatient.until.max().over(earlier_ones),
        earlier_disposition=inpatient.disposition.lag().over(each),
    )
    gap = earlier.started_at.epoch_seconds() - earlier.earlier_until.epoch_seconds()
    transferred = earlier.earlier_disposition.isin(rules.transfer).fill_null(False) & (
        gap <= rules.transfer_hours * HOUR
    )
    begins = earlier.earlier_until.isnull() | ((gap > 0) & ~transferred)
    marked = earlier.mutate(begins=begins.cast("int64"))
    numbered = marked.mutate(number=marked.begins.sum().over(up_to_here))
    emergency = numbered.admit_source.isin(rules.emergency_source).fill_null(False)
    return numbered.group_by("hospital", "patient_id", "number").agg(
        index_id=numbered.encounter_id.first(order_by=order),
        admitted_at=numbered.started_at.min(),
        discharged_at=numbered.until.max(),
        disposition=numbered.disposition.last(order_by=["until", "started_at", "encounter_id"]),
        ongoing=numbered.ended_at.isnull().any(),
        followed=numbered.followed.fill_null(False).all(),
        emergency_source=emergency.any(),
    )


def index_discharges(all_stays: ibis.Table, patients: ibis.Table, rules: StayRules) -> ibis.Table:
    """Return the discharges at risk of a return, labelled where their 30 days were observed."""
    following = ibis.window(group_by="patient_id", order_by=["admitted_at", "index_id"])
    s = all_stays.mutate(next_admitted_at=all_stays.admitted_at.lead().over(following))
    who = patients.select("patient_id", "sex", "birth_year", "over_89", "deceased_at")
    joined = s.left_join(who, "patient_id").drop("patient_id_right")
    died = (joined.deceased_at <= joined.discharged_at).fill_null(False)
    at_risk = joined.filter(~joined.ongoing, ~joined.disposition.isin(rules.not_at_risk).fill_null(False), ~died)
    wait = at_risk.next_admitted_at.epoch_seconds() - at_risk.discharged_at.epoch_seconds()
    returned = (wait <= rules.return_days * DAY).fill_null(False)
    return at_risk.mutate(**{LABEL: ibis.ifelse(at_risk.followed, returned, ibis.null("boolean"))})
