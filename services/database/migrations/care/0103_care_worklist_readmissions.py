"""Discharges that wait for their readmission to be recorded: by pseudonym, for the service, which records it."""

from alembic import op

revision = "0103_care_worklist_readmissions"
down_revision = "0102_care_worklist"
branch_labels = None
depends_on = None

FUNCTION = "worklist_awaiting_readmission(integer)"


def upgrade() -> None:
    """Create the function."""
    op.execute(
        """
        CREATE FUNCTION care.worklist_awaiting_readmission(return_days integer)
        RETURNS TABLE (encounter text, patient text)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
            SELECT e.encounter, e.patient FROM care.worklist_entries e
            WHERE e.readmitted IS NULL AND return_days >= 1
                AND e.discharged_at + make_interval(days => return_days) <= now()
            ORDER BY e.discharged_at DESC, e.encounter
        $$
        """
    )
    op.execute(f"REVOKE ALL ON FUNCTION care.{FUNCTION} FROM PUBLIC")


def downgrade() -> None:
    """Drop it."""
    op.execute(f"DROP FUNCTION care.{FUNCTION}")
