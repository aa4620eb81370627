"""Tables of the schema ``planning``: scores and feedback, what a canary is compared by, and a shadow's differences."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

_METADATA = sa.MetaData(schema="planning")
SCORES = sa.Table(
    "scores",
    _METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("record", sa.BigInteger),
    sa.Column("scored_at", sa.DateTime(timezone=True)),
    sa.Column("workflow", sa.Text),
    sa.Column("encounter", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("risk", sa.Double),
    sa.Column("decision", sa.Text),
    sa.Column("lace", sa.SmallInteger),
    sa.Column("reasons", JSONB),
    sa.Column("model", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("digest", sa.Text),
    sa.Column("threshold", sa.Double),
    sa.Column("freshness_hours", sa.Double),
    sa.Column("fallback_reason", sa.Text),
    sa.Column("not_scored_reason", sa.Text),
)
FEEDBACK = sa.Table(
    "feedback",
    _METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("received_at", sa.DateTime(timezone=True)),
    sa.Column("workflow", sa.Text),
    sa.Column("encounter", sa.Text),
    sa.Column("record", sa.BigInteger),
    sa.Column("code", sa.Text),
)
CALLS = sa.Table(
    "canary_calls",
    _METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("called_at", sa.DateTime(timezone=True)),
    sa.Column("digest", sa.Text),
    sa.Column("role", sa.Text),
    sa.Column("encounters", sa.SmallInteger),
    sa.Column("milliseconds", sa.Double),
    sa.Column("fault", sa.Text),
)
ANSWERS = sa.Table(
    "canary_answers",
    _METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("digest", sa.Text),
    sa.Column("role", sa.Text),
    sa.Column("encounter", sa.Text),
    sa.Column("record", sa.BigInteger),
)
STOPS = sa.Table(
    "canary_stops",
    _METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("release", sa.Text),
    sa.Column("cause", sa.Text),
    sa.Column("figures", JSONB),
    sa.Column("record", sa.BigInteger),
    sa.Column("stopped_at", sa.DateTime(timezone=True)),
)
DIFFERENCES = sa.Table(
    "shadow_differences",
    _METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("compared_at", sa.DateTime(timezone=True)),
    sa.Column("digest", sa.Text),
    sa.Column("encounter", sa.Text),
    sa.Column("record", sa.BigInteger),
    sa.Column("risk_difference", sa.Double),
    sa.Column("decision", sa.Text),
    sa.Column("shadow_decision", sa.Text),
    sa.Column("milliseconds", sa.Double),
    sa.Column("shadow_milliseconds", sa.Double),
    sa.Column("fault", sa.Text),
)
DROPS = sa.Table(
    "shadow_drops",
    _METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("counted_at", sa.DateTime(timezone=True)),
    sa.Column("release", sa.Text),
    sa.Column("copies", sa.BigInteger),
)
