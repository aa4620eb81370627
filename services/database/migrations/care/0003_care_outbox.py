"""Messages that care must deliver, each once: FHIR resources to the hospital's server, feedback to planning."""

import sqlalchemy as sa
from alembic import op

revision = "0003_care_outbox"
down_revision = "0002_care_hooks"
branch_labels = None
depends_on = None

SCHEMA = "care"
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the outbox."""
    op.create_table(
        "outbox",
        sa.Column("message", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, sa.CheckConstraint("kind IN ('risk-assessment', 'feedback')"), nullable=False),
        sa.Column("encounter", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("delivered_at", TIME),
        sa.Column("refused_at", TIME),
        sa.Column("last_fault", sa.Text),
        schema=SCHEMA,
    )
    waiting = sa.text("delivered_at IS NULL AND refused_at IS NULL")
    op.create_index("outbox_waiting", "outbox", ["next_attempt_at"], schema=SCHEMA, postgresql_where=waiting)
