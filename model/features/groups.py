"""Subgroup columns of the feature table, which are never features."""

from collections.abc import Mapping

import ibis

from model.definitions.features import GROUPS, group_column

OF_PATIENT = ("race", "ethnicity", "deprivation")


def recorded(index: ibis.Table, tables: Mapping[str, ibis.Table]) -> ibis.Table:
    """Return the groups of each index discharge: the patient's, and the payer of the encounter that ended in it."""
    patient, encounter = tables["patient"], tables["encounter"]
    last = index.select("index_id", "patient_id", ended_at="discharged_at")
    paid = last.inner_join(encounter.select("patient_id", "ended_at", "payer"), ["patient_id", "ended_at"])
    paid = paid.group_by("index_id").agg(payer=paid.payer.min())
    own = patient.select("patient_id", *OF_PATIENT)
    joined = last.select("index_id", "patient_id").left_join(own, "patient_id").drop("patient_id_right")
    joined = joined.left_join(paid, "index_id").drop("index_id_right")
    return joined.select("index_id", **{group_column(name): joined[name] for name in GROUPS})
