"""Tables of the identity lookup, in the schema ``care``: patients and stays by pseudonym, every value encrypted.

Columns that end in nothing else hold ciphertexts of the hospital's transit key ``identity-lookup``. ``search`` holds
blind indexes (keyed hashes) of the values that may be searched for, each with its kind, so that equal values can be
found and none can be read. What the tables hold in the clear is pseudonymous: pseudonyms, whether a stay goes on, and
when and from where a row was written.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

SCHEMA = "care"
METADATA = sa.MetaData(schema=SCHEMA)

IDENTITY = sa.Table(
    "identity",
    METADATA,
    sa.Column("patient", sa.Text, primary_key=True, comment="pseudonym"),
    sa.Column("patient_id", sa.Text, nullable=False, comment="id of the Patient resource"),
    sa.Column("record_number", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("birth_date", sa.Text),
    sa.Column("telephone", sa.Text),
    sa.Column("search", ARRAY(sa.Text), nullable=False),
    sa.Column("source", sa.Text, nullable=False, comment="ingest or ehr"),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
STAY = sa.Table(
    "stay",
    METADATA,
    sa.Column("encounter", sa.Text, primary_key=True, comment="pseudonym"),
    sa.Column("patient", sa.Text, nullable=False, comment="pseudonym"),
    sa.Column("encounter_id", sa.Text, nullable=False, comment="id of the Encounter resource"),
    sa.Column("unit", sa.Text),
    sa.Column("started_at", sa.Text),
    sa.Column("ended_at", sa.Text),
    sa.Column("open", sa.Boolean, nullable=False, comment="whether the stay goes on"),
    sa.Column("unit_index", sa.Text, comment="blind index of the unit"),
    sa.Column("search", ARRAY(sa.Text), nullable=False),
    sa.Column("source", sa.Text, nullable=False, comment="ingest or ehr"),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
RUN = sa.Table(
    "identity_run",
    METADATA,
    sa.Column("hospital", sa.Text, primary_key=True),
    sa.Column("input_digest", sa.Text, nullable=False),
    sa.Column("published_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
ENCRYPTED = {
    IDENTITY: ("patient_id", "record_number", "name", "birth_date", "telephone"),
    STAY: ("encounter_id", "unit", "started_at", "ended_at"),
}
"""The columns that hold ciphertexts."""
