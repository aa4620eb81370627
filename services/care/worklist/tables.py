"""Tables of the worklist, as ``migrations/care/0102_care_worklist.py`` creates them."""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="care")
_TIME = DateTime(timezone=True)

entries = Table(
    "worklist_entries",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("encounter", Text),
    Column("patient", Text),
    Column("unit", Text),
    Column("discharged_at", _TIME),
    Column("version", Integer),
    Column("assignee", Text),
    Column("assignee_name", Text),
    Column("due_on", Date),
    Column("priority", Text),
    Column("closed_at", _TIME),
    Column("outcome", Text),
    Column("readmitted", Boolean),
)
scores = Table(
    "worklist_scores",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("entry", Uuid(as_uuid=False)),
    Column("scored_at", _TIME),
    Column("content", JSONB),
)
events = Table(
    "worklist_events",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("entry", Uuid(as_uuid=False)),
    Column("at", _TIME),
    Column("actor", Text),
    Column("actor_name", Text),
    Column("kind", Text),
    Column("code", Text),
    Column("note", Text),
)
views = Table(
    "worklist_views",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("entry", Uuid(as_uuid=False)),
    Column("at", _TIME),
    Column("actor", Text),
    Column("actor_name", Text),
    Column("break_glass", Boolean),
)
break_glass = Table(
    "worklist_break_glass",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("entry", Uuid(as_uuid=False)),
    Column("unit", Text),
    Column("at", _TIME),
    Column("until", _TIME),
    Column("actor", Text),
    Column("actor_name", Text),
    Column("actor_units", ARRAY(Text)),
    Column("code", Text),
    Column("reason", Text),
)
forms = Table("worklist_forms", metadata, Column("nonce", Text, primary_key=True), Column("actor", Text))
drafts = Table(
    "worklist_drafts",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("form", Text, primary_key=True),
    Column("content", Text),
    Column("at", _TIME),
)
feedback = Table(
    "worklist_feedback",
    metadata,
    Column("event", BigInteger, primary_key=True),
    Column("encounter", Text),
    Column("record", BigInteger),
    Column("direction", Text),
    Column("code", Text),
    Column("sent_at", _TIME),
)
