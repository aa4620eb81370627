"""The chain is of its hospital from the first record on: no login can start it with a record of another one."""

from alembic import context, op

revision = "0002_audit_hospital"
down_revision = "0001_audit_chain"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Require the hospital of the database in every entry."""
    hospital = context.config.attributes["hospital"]
    op.create_check_constraint("hospital", "records", f"entry::jsonb ->> 'hospital' = '{hospital}'", schema="audit")


def downgrade() -> None:
    """Remove the requirement."""
    op.drop_constraint("hospital", "records", schema="audit")
