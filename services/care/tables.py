"""Tables of care that are not the identity lookup's: tokens, cards, feedback, launches, outbox."""

import sqlalchemy as sa

METADATA = sa.MetaData(schema="care")
_TIME = sa.DateTime(timezone=True)

EHR_JTI = sa.Table(
    "ehr_jti",
    METADATA,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("expires_at", _TIME),
)
CARD = sa.Table(
    "card",
    METADATA,
    sa.Column("card", sa.Uuid, primary_key=True),
    sa.Column("client", sa.Text),
    sa.Column("hook_instance", sa.Text),
    sa.Column("encounter", sa.Text),
    sa.Column("patient", sa.Text),
    sa.Column("record", sa.BigInteger),
    sa.Column("shown_at", _TIME),
)
FEEDBACK = sa.Table(
    "feedback",
    METADATA,
    sa.Column("card", sa.Uuid, primary_key=True),
    sa.Column("outcome_at", _TIME, primary_key=True),
    sa.Column("outcome", sa.Text),
    sa.Column("code", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("received_at", _TIME),
)
LAUNCH = sa.Table(
    "launch",
    METADATA,
    sa.Column("state", sa.LargeBinary, primary_key=True),
    sa.Column("browser", sa.LargeBinary),
    sa.Column("iss", sa.Text),
    sa.Column("verifier", sa.Text),
    sa.Column("expires_at", _TIME),
)
LAUNCHED = sa.Table(
    "launched",
    METADATA,
    sa.Column("ticket", sa.LargeBinary, primary_key=True),
    sa.Column("patient", sa.Text),
    sa.Column("encounter", sa.Text),
    sa.Column("expires_at", _TIME),
)
OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("message", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text),
    sa.Column("encounter", sa.Text),
    sa.Column("content", sa.Text),
    sa.Column("created_at", _TIME),
    sa.Column("attempts", sa.Integer),
    sa.Column("next_attempt_at", _TIME),
    sa.Column("delivered_at", _TIME),
    sa.Column("refused_at", _TIME),
    sa.Column("last_fault", sa.Text),
)
SCORED_RUN = sa.Table(
    "scored_run",
    METADATA,
    sa.Column("input_digest", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("scored_at", _TIME),
)
