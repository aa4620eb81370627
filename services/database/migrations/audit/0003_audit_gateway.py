"""Entries may have the field ``gateway``: the Envoy process that refused a request, and what it counted."""

from alembic import op
from sqlalchemy import text

revision = "0003_audit_gateway"
down_revision = "0002_audit_hospital"
branch_labels = None
depends_on = None

BEFORE = "'scores', 'configuration']"
AFTER = "'scores', 'configuration', 'gateway']"


def upgrade() -> None:
    """Accept the field."""
    _replace(BEFORE, AFTER)


def downgrade() -> None:
    """Refuse the field."""
    _replace(AFTER, BEFORE)


def _replace(before: str, after: str) -> None:
    """Replace a text of the trigger's function, which keeps its owner and grants."""
    definition = str(op.get_bind().scalar(text("SELECT pg_get_functiondef('audit.link_record'::regproc)")))
    if definition.count(before) != 1:
        raise ValueError("audit.link_record is not the function of the migration before; restore it")
    # The number after a colon is no parameter.
    op.execute(text(definition.replace(before, after).replace('":1}', '"\\:1}')))
