"""What each table of the warehouse was loaded from: the ingestion, the schema version, and the origin of features."""

import sqlalchemy as sa
from alembic import op

revision = "0002_warehouse_load"
down_revision = "0001_warehouse_curated"
branch_labels = None
depends_on = None

SCHEMA = "warehouse"


def upgrade() -> None:
    """Add the columns; earlier loads do not have these values, and the next features run replaces them."""
    op.execute("DELETE FROM warehouse.load")
    run = sa.Column("ingest_run", sa.Text, nullable=False, comment="ingestion of the curated tables")
    version = sa.Column("schema_version", sa.Integer, nullable=False, comment="of the curated tables")
    origin = sa.Column(
        "made_from", sa.Text, comment="of feature_row, as JSON: its definitions and tables"
    )
    for column in (run, version, origin):
        op.add_column("load", column, schema=SCHEMA)
