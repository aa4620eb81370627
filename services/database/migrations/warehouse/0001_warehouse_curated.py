"""Curated tables and the feature table, as the pipeline publishes them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001_warehouse_curated"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "warehouse"
TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "text": sa.Text(),
    "boolean": sa.Boolean(),
    "integer": sa.Integer(),
    "double": sa.Double(),
    "time": sa.DateTime(timezone=True),
}
# The columns of each table by type, as words.
TABLES = {
    "patient": {
        "text": (
            "patient_id sex state zip3 race ethnicity deprivation source source_sha256 hospital ingest_run "
            "classification"
        ),
        "boolean": "deceased",
        "time": "deceased_at",
        "integer": "schema_version",
    },
    "encounter": {
        "text": (
            "encounter_id patient_id status class priority admit_source disposition payer source "
            "source_sha256 hospital ingest_run classification"
        ),
        "time": "started_at ended_at",
        "integer": "age_at_start schema_version",
        "boolean": "died followed",
    },
    "condition": {
        "text": (
            "condition_id patient_id encounter_id system code clinical_status verification_status source "
            "source_sha256 hospital ingest_run classification"
        ),
        "time": "onset_at recorded_at known_at",
        "integer": "schema_version",
    },
    "observation": {
        "text": (
            "observation_id patient_id encounter_id status code unit comparator value_absent_reason source "
            "source_sha256 hospital ingest_run classification"
        ),
        "double": "value",
        "time": "taken_at known_at",
        "integer": "schema_version",
    },
    "medication_request": {
        "text": (
            "medication_request_id patient_id encounter_id status code source source_sha256 hospital "
            "ingest_run classification"
        ),
        "time": "authored_at",
        "integer": "schema_version",
    },
    "feature_row": {
        "text": "hospital patient_id index_id group_race group_ethnicity group_payer group_deprivation",
        "time": "admitted_at discharged_at",
        "double": (
            "age female stay_days emergency_admission elective_admission nonacute_stay home_health "
            "to_facility to_hospital against_advice admissions_6m admissions_12m emergency_visits_6m "
            "emergency_visits_12m diabetes diabetes_complicated heart_failure infarction vascular_disease "
            "stroke dementia lung_disease arthritis ulcer liver_disease liver_severe paralysis "
            "kidney_disease cancer metastatic aids charlson creatinine_last creatinine_max creatinine_min "
            "creatinine_day_max creatinine_day_min hemoglobin_last hemoglobin_max hemoglobin_min "
            "hemoglobin_day_max hemoglobin_day_min sodium_last sodium_max sodium_min sodium_day_max "
            "sodium_day_min potassium_last potassium_max potassium_min urea_last urea_max glucose_last "
            "glucose_max glucose_min white_cells_last white_cells_max albumin_last albumin_min systolic_last "
            "systolic_max systolic_min systolic_day_max systolic_day_min diastolic_last diastolic_max "
            "diastolic_min diastolic_day_max diastolic_day_min heart_rate_last heart_rate_max oxygen_last "
            "oxygen_min temperature_last temperature_max respiratory_rate_last respiratory_rate_max drugs "
            "creatinine_missing hemoglobin_missing sodium_missing glucose_missing white_cells_missing "
            "albumin_missing systolic_missing oxygen_missing"
        ),
        "integer": "lace",
        "boolean": "readmitted",
    },
}
# Unique in a table, and what rows are looked up by.
KEYS = {
    "patient": "patient_id",
    "encounter": "encounter_id",
    "condition": "condition_id",
    "observation": "observation_id",
    "medication_request": "medication_request_id",
    "feature_row": "index_id",
}


def upgrade() -> None:
    """Create the tables; the pipeline replaces their rows as a whole."""
    for table, types in TABLES.items():
        columns = [
            sa.Column(name, TYPES[kind], nullable=name != KEYS[table])
            for kind, names in types.items()
            for name in names.split()
        ]
        op.create_table(table, *columns, sa.PrimaryKeyConstraint(KEYS[table]), schema=SCHEMA)
        if table != "patient":
            op.create_index(f"{table}_patient", table, ["patient_id"], schema=SCHEMA)
    op.create_table(
        "load",
        sa.Column("table_name", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False, comment="digest of the published file"),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        schema=SCHEMA,
    )
