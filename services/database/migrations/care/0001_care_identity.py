"""Identity lookup: patients and stays by pseudonym, each value encrypted (``model.identity_store.lookup_tables``)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0001_care_identity"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "care"


def _written() -> list[sa.Column[object]]:
    """Return the columns that say where a row is from."""
    return [
        sa.Column("search", ARRAY(sa.Text), nullable=False),
        sa.Column("source", sa.Text, sa.CheckConstraint("source IN ('ingest', 'ehr')"), nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    ]


def upgrade() -> None:
    """Create the tables of the identity lookup."""
    op.create_table(
        "identity",
        sa.Column("patient", sa.Text, primary_key=True),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("record_number", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("birth_date", sa.Text),
        sa.Column("telephone", sa.Text),
        *_written(),
        schema=SCHEMA,
    )
    op.create_table(
        "stay",
        sa.Column("encounter", sa.Text, primary_key=True),
        sa.Column("patient", sa.Text, nullable=False, index=True),
        sa.Column("encounter_id", sa.Text, nullable=False),
        sa.Column("unit", sa.Text),
        sa.Column("started_at", sa.Text),
        sa.Column("ended_at", sa.Text),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("unit_index", sa.Text, index=True),
        *_written(),
        schema=SCHEMA,
    )
    for table in ("identity", "stay"):
        op.create_index(f"{table}_search", table, ["search"], schema=SCHEMA, postgresql_using="gin")
    op.create_table(
        "identity_run",
        sa.Column("hospital", sa.Text, primary_key=True),
        sa.Column("input_digest", sa.Text, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema=SCHEMA,
    )
