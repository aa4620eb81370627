"""Score history and feedback of discharge planning."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_planning_scores"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "planning"
PSEUDONYM = "encounter ~ '^v[0-9]{1,4}-[0-9a-f]{6,64}$'"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "scores",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("record", sa.BigInteger, nullable=False, comment="Sequence of the audit record."),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("encounter", sa.Text, nullable=False, comment="Pseudonym."),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("risk", sa.Double),
        sa.Column("decision", sa.Text),
        sa.Column("lace", sa.SmallInteger),
        sa.Column("reasons", postgresql.JSONB, nullable=False, server_default="[]"),
        sa.Column("model", sa.Text),
        sa.Column("version", sa.Text),
        sa.Column("digest", sa.Text),
        sa.Column("threshold", sa.Double),
        sa.Column("freshness_hours", sa.Double),
        sa.Column("fallback_reason", sa.Text),
        sa.Column("not_scored_reason", sa.Text),
        sa.UniqueConstraint("encounter", "record", name="one_score_a_request"),
        sa.CheckConstraint(PSEUDONYM, name="encounter_is_a_pseudonym"),
        # A rank by LACE can never be read as a score of a release, nor the other way round.
        sa.CheckConstraint(
            "CASE status"
            " WHEN 'scored' THEN risk IS NOT NULL AND digest IS NOT NULL AND lace IS NULL AND fallback_reason IS NULL"
            " WHEN 'fallback' THEN risk IS NULL AND digest IS NULL AND lace IS NOT NULL AND fallback_reason IS NOT NULL"
            " WHEN 'not-scored' THEN risk IS NULL AND digest IS NULL AND lace IS NULL AND not_scored_reason IS NOT NULL"
            " ELSE false END",
            name="status_says_what_is_known",
        ),
        sa.CheckConstraint("risk BETWEEN 0 AND 1", name="risk_is_a_probability"),
        sa.CheckConstraint("lace BETWEEN 0 AND 19", name="lace_is_an_index"),
        schema=SCHEMA,
    )
    op.create_index("scores_of_encounter", "scores", ["encounter", sa.text("id DESC")], schema=SCHEMA)
    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("encounter", sa.Text, nullable=False, comment="Pseudonym."),
        sa.Column("record", sa.BigInteger, nullable=False, comment="Sequence of the score's audit record."),
        sa.Column("code", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["encounter", "record"], [f"{SCHEMA}.scores.encounter", f"{SCHEMA}.scores.record"], name="of_a_score"
        ),
        sa.UniqueConstraint("encounter", "record", "code", name="feedback_once"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("feedback", schema=SCHEMA)
    op.drop_table("scores", schema=SCHEMA)
