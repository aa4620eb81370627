"""Differences between a shadow's scores and the answers, and numbers of dropped copies."""

import sqlalchemy as sa
from alembic import op

revision = "0003_planning_shadow"
down_revision = "0002_planning_delivery"
branch_labels = None
depends_on = None

SCHEMA = "planning"
DIGEST = "digest ~ '^[0-9a-f]{64}$'"
FAULTS = "'unavailable', 'slow', 'incomplete'"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "shadow_differences",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("digest", sa.Text, nullable=False, comment="Digest of the shadow."),
        sa.Column("encounter", sa.Text, nullable=False, comment="Pseudonym."),
        sa.Column("record", sa.BigInteger, nullable=False, comment="Sequence of the score's audit record."),
        sa.Column("risk_difference", sa.Double, comment="The shadow's risk minus the answered one."),
        sa.Column("decision", sa.Text, nullable=False, comment="Band of the answer."),
        sa.Column("shadow_decision", sa.Text, comment="Band of the shadow's risk, by its own thresholds."),
        sa.Column("milliseconds", sa.Double, nullable=False, comment="Of the call that was answered with."),
        sa.Column("shadow_milliseconds", sa.Double, nullable=False),
        sa.Column("fault", sa.Text),
        sa.ForeignKeyConstraint(
            ["encounter", "record"], [f"{SCHEMA}.scores.encounter", f"{SCHEMA}.scores.record"], name="of_a_score"
        ),
        sa.UniqueConstraint("encounter", "record", "digest", name="one_comparison_a_score"),
        sa.CheckConstraint(DIGEST, name="digest_is_whole"),
        sa.CheckConstraint(f"fault IN ({FAULTS})", name="fault_is_a_code"),
        sa.CheckConstraint("risk_difference BETWEEN -1 AND 1", name="risks_are_probabilities"),
        sa.CheckConstraint(
            "(fault IS NULL) = (risk_difference IS NOT NULL AND shadow_decision IS NOT NULL)",
            name="fault_or_difference",
        ),
        schema=SCHEMA,
    )
    op.create_index("shadow_differences_of_release", "shadow_differences", ["digest", "id"], schema=SCHEMA)
    op.create_table(
        "shadow_drops",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("release", sa.Text, nullable=False, comment="The shadow, as the hospital's entry names it."),
        sa.Column("copies", sa.BigInteger, nullable=False, comment="Dropped by one process since its last row."),
        sa.CheckConstraint("copies > 0", name="copies_were_dropped"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Remove the tables."""
    for table in ("shadow_drops", "shadow_differences"):
        op.drop_table(table, schema=SCHEMA)
