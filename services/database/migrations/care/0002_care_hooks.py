"""CDS Hooks and SMART launch: used token ids, cards, feedback, launches."""

import sqlalchemy as sa
from alembic import op

revision = "0002_care_hooks"
down_revision = "0001_care_identity"
branch_labels = None
depends_on = None

SCHEMA = "care"
TIME = sa.DateTime(timezone=True)
NOW = sa.func.now()


def upgrade() -> None:
    """Create the tables of the EHR's requests."""
    op.create_table(
        "ehr_jti",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("expires_at", TIME, nullable=False, index=True),
        schema=SCHEMA,
    )
    op.create_table(
        "card",
        sa.Column("card", sa.Uuid, primary_key=True),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("hook_instance", sa.Text, nullable=False),
        sa.Column("encounter", sa.Text, nullable=False, index=True),
        sa.Column("patient", sa.Text, nullable=False),
        sa.Column("record", sa.BigInteger),
        sa.Column("shown_at", TIME, nullable=False, server_default=NOW),
        schema=SCHEMA,
    )
    op.create_table(
        "feedback",
        sa.Column("card", sa.Uuid, sa.ForeignKey("care.card.card"), primary_key=True),
        sa.Column("outcome_at", TIME, primary_key=True),
        sa.Column("outcome", sa.Text, sa.CheckConstraint("outcome IN ('accepted', 'overridden')"), nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("comment", sa.Text, sa.CheckConstraint("length(comment) <= 4000")),
        sa.Column("received_at", TIME, nullable=False, server_default=NOW),
        schema=SCHEMA,
    )
    op.create_table(
        "launch",
        sa.Column("state", sa.LargeBinary, primary_key=True),
        sa.Column("browser", sa.LargeBinary, nullable=False),
        sa.Column("iss", sa.Text, nullable=False),
        sa.Column("verifier", sa.Text, nullable=False),
        sa.Column("expires_at", TIME, nullable=False, index=True),
        schema=SCHEMA,
    )
    op.create_table(
        "launched",
        sa.Column("ticket", sa.LargeBinary, primary_key=True),
        sa.Column("patient", sa.Text, nullable=False),
        sa.Column("encounter", sa.Text),
        sa.Column("expires_at", TIME, nullable=False, index=True),
        schema=SCHEMA,
    )
