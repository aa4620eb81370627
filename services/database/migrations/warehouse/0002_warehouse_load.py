"""Sources of each table; and rows of a resource with several codes or components, which share its key."""

import sqlalchemy as sa
from alembic import op

revision = "0002_warehouse_load"
down_revision = "0001_warehouse_curated"
branch_labels = None
depends_on = None

SCHEMA = "warehouse"
# Tables with a row for each code or component of a resource.
SEVERAL_ROWS = ("condition", "observation", "medication_request")


def upgrade() -> None:
    """Change the tables; earlier loads do not say their run, and the next run of the features step replaces them."""
    for table in SEVERAL_ROWS:
        op.drop_constraint(f"{table}_pkey", table, type_="primary", schema=SCHEMA)
        op.create_index(f"{table}_resource", table, [f"{table}_id"], schema=SCHEMA)
    op.execute("DELETE FROM warehouse.load")
    run = sa.Column("ingest_run", sa.Text, nullable=False, comment="ingestion of the curated tables")
    version = sa.Column("schema_version", sa.Integer, nullable=False, comment="of the curated tables")
    origin = sa.Column("made_from", sa.Text, comment="of feature_row, as JSON: its definitions and tables")
    for column in (run, version, origin):
        op.add_column("load", column, schema=SCHEMA)
