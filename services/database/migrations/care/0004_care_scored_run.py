"""Ingestions whose stays were scored for the worklist."""

import sqlalchemy as sa
from alembic import op

revision = "0004_care_scored_run"
down_revision = "0003_care_outbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of scored runs."""
    op.create_table(
        "scored_run",
        sa.Column("input_digest", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema="care",
    )
