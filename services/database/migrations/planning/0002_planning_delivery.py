"""Releases in motion: calls and answers that a canary is compared by, its stop, and what a shadow would have said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_planning_delivery"
down_revision = "0001_planning_scores"
branch_labels = None
depends_on = None

SCHEMA = "planning"
DIGEST = "digest ~ '^[0-9a-f]{64}$'"
CAUSES = "'error-rate', 'latency', 'score-shift', 'override-rate', 'incomplete-record'"
FAULTS = "'unavailable', 'slow', 'incomplete'"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "canary_calls",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("digest", sa.Text, nullable=False, comment="Digest of the canary at that time."),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("encounters", sa.SmallInteger, nullable=False),
        sa.Column("milliseconds", sa.Double, nullable=False),
        sa.Column("fault", sa.Text),
        sa.CheckConstraint(DIGEST, name="digest_is_whole"),
        sa.CheckConstraint("role IN ('active', 'canary')", name="role_answers"),
        sa.CheckConstraint(f"fault IN ({FAULTS})", name="fault_is_a_code"),
        schema=SCHEMA,
    )
    op.create_index("canary_calls_of_release", "canary_calls", ["digest", "id"], schema=SCHEMA)
    op.create_table(
        "canary_answers",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, comment="Digest of the canary at that time."),
        sa.Column("role", sa.Text, nullable=False, comment="Who answered: the canary, or the active release."),
        sa.Column("encounter", sa.Text, nullable=False, comment="Pseudonym."),
        sa.Column("record", sa.BigInteger, nullable=False, comment="Sequence of the score's audit record."),
        sa.ForeignKeyConstraint(
            ["encounter", "record"], [f"{SCHEMA}.scores.encounter", f"{SCHEMA}.scores.record"], name="of_a_score"
        ),
        sa.UniqueConstraint("encounter", "record", name="one_answer_a_request"),
        sa.CheckConstraint(DIGEST, name="digest_is_whole"),
        sa.CheckConstraint("role IN ('active', 'canary')", name="role_answers"),
        schema=SCHEMA,
    )
    op.create_index("canary_answers_of_release", "canary_answers", ["digest", "id"], schema=SCHEMA)
    op.create_table(
        "canary_stops",
        sa.Column("digest", sa.Text, primary_key=True, comment="Whole digest: another release is another canary."),
        sa.Column("release", sa.Text, nullable=False, comment="As the hospital's entry names it."),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("figures", postgresql.JSONB, nullable=False, comment="What the cause was computed from."),
        sa.Column("record", sa.BigInteger, nullable=False, comment="Sequence of the stop's audit record."),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint(DIGEST, name="digest_is_whole"),
        sa.CheckConstraint(f"cause IN ({CAUSES})", name="cause_is_a_code"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Remove the tables."""
    for table in ("canary_stops", "canary_answers", "canary_calls"):
        op.drop_table(table, schema=SCHEMA)
