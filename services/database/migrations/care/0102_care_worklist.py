"""The worklist: entries, scores, events, views and break-glass, with row-level security by unit.

A person sees an entry of their own units, and one that they opened by break-glass while that lasts. Who asks comes from
``care.worklist_begin`` (0101), never from a setting. Placing an entry needs no person, so it is a function: the service
can add what the model said, and read nothing back.
"""

from alembic import op

revision = "0102_care_worklist"
down_revision = "0101_care_worklist_sessions"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE care.worklist_entries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    encounter text NOT NULL UNIQUE,
    patient text NOT NULL,
    unit text NOT NULL,
    discharged_at timestamptz NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    assignee text,
    assignee_name text,
    due_on date,
    priority text CHECK (priority IN ('raised', 'lowered')),
    closed_at timestamptz,
    outcome text,
    readmitted boolean,
    CHECK ((assignee IS NULL) = (assignee_name IS NULL)),
    CHECK ((closed_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX worklist_entries_open ON care.worklist_entries (unit) WHERE closed_at IS NULL;
COMMENT ON COLUMN care.worklist_entries.id IS 'Random: addresses have it, so that no access log has a pseudonym';
COMMENT ON COLUMN care.worklist_entries.readmitted IS 'Known when the readmission window is over; null until then';

CREATE TABLE care.worklist_scores (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry uuid NOT NULL REFERENCES care.worklist_entries ON DELETE CASCADE,
    scored_at timestamptz NOT NULL,
    content jsonb NOT NULL
);
CREATE INDEX worklist_scores_entry ON care.worklist_scores (entry, scored_at DESC, id DESC);

CREATE TABLE care.worklist_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry uuid NOT NULL REFERENCES care.worklist_entries ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    actor_name text NOT NULL,
    kind text NOT NULL,
    code text,
    note text CHECK (length(note) <= 4000)
);
CREATE INDEX worklist_events_entry ON care.worklist_events (entry, id);
COMMENT ON COLUMN care.worklist_events.note IS 'Free text that people write; it leaves this database nowhere';

CREATE TABLE care.worklist_views (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry uuid NOT NULL REFERENCES care.worklist_entries ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    actor_name text NOT NULL,
    break_glass boolean NOT NULL
);
CREATE INDEX worklist_views_entry ON care.worklist_views (entry, id DESC);

CREATE TABLE care.worklist_break_glass (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry uuid NOT NULL REFERENCES care.worklist_entries ON DELETE CASCADE,
    unit text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    until timestamptz NOT NULL,
    actor text NOT NULL,
    actor_name text NOT NULL,
    actor_units text[] NOT NULL,
    code text NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 10 AND 1000)
);
CREATE INDEX worklist_break_glass_actor ON care.worklist_break_glass (actor, until);

CREATE TABLE care.worklist_forms (
    nonce text PRIMARY KEY CHECK (length(nonce) BETWEEN 16 AND 64),
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE care.worklist_forms IS 'Forms that were sent: a second copy of one has no effect';

CREATE TABLE care.worklist_drafts (
    actor text NOT NULL,
    form text NOT NULL CHECK (length(form) <= 200),
    content text NOT NULL CHECK (length(content) <= 4000),
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, form)
);
COMMENT ON TABLE care.worklist_drafts IS 'Text that a person typed and has not sent';

CREATE TABLE care.worklist_feedback (
    event bigint PRIMARY KEY REFERENCES care.worklist_events ON DELETE CASCADE,
    encounter text NOT NULL,
    record bigint NOT NULL,
    direction text NOT NULL,
    code text NOT NULL,
    sent_at timestamptz
);
CREATE INDEX worklist_feedback_waiting ON care.worklist_feedback (event) WHERE sent_at IS NULL;
COMMENT ON TABLE care.worklist_feedback IS 'Coded overrides for planning; one waits here while planning is down';
"""

PLACE = """
CREATE FUNCTION care.worklist_place(
    place_encounter text, place_patient text, place_unit text, place_discharged_at timestamptz,
    place_scored_at timestamptz, score jsonb)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    placed uuid;
    unit_before text;
BEGIN
    SELECT unit INTO unit_before FROM care.worklist_entries WHERE encounter = place_encounter FOR UPDATE;
    INSERT INTO care.worklist_entries AS e (encounter, patient, unit, discharged_at)
    VALUES (place_encounter, place_patient, place_unit, place_discharged_at)
    ON CONFLICT (encounter) DO UPDATE SET unit = EXCLUDED.unit, discharged_at = EXCLUDED.discharged_at
    RETURNING e.id INTO placed;
    -- Whoever sees the patient from now on also sees that they were moved.
    IF unit_before <> place_unit THEN
        INSERT INTO care.worklist_events (entry, actor, actor_name, kind, code)
        VALUES (placed, session_user, 'care service', 'move', unit_before);
    END IF;
    INSERT INTO care.worklist_scores (entry, scored_at, content) VALUES (placed, place_scored_at, score);
    RETURN placed;
END $$;

CREATE FUNCTION care.worklist_record_readmission(of_encounter text, value boolean, return_days integer) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH changed AS (
        UPDATE care.worklist_entries SET readmitted = value
        WHERE encounter = of_encounter AND return_days >= 1
            AND discharged_at + make_interval(days => return_days) <= now()
        RETURNING 1)
    SELECT EXISTS (SELECT FROM changed)
$$;

CREATE FUNCTION care.worklist_opened() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT entry FROM care.worklist_break_glass
    WHERE actor = care.worklist_subject() AND until > now() AND care.worklist_has_role('coordinator')
$$;

CREATE FUNCTION care.worklist_break_glass_open(of_encounter text, of_code text, of_reason text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    opened uuid;
BEGIN
    IF NOT care.worklist_has_role('coordinator') THEN
        RETURN NULL;
    END IF;
    INSERT INTO care.worklist_break_glass (entry, unit, until, actor, actor_name, actor_units, code, reason)
    SELECT e.id, e.unit, now() + interval '1 hour', s.subject, s.name, s.units, of_code, of_reason
    FROM care.worklist_entries e, care.worklist_sessions s
    WHERE e.encounter = of_encounter AND s.transaction = pg_current_xact_id_if_assigned()
    RETURNING entry INTO opened;
    RETURN opened;
END $$;

CREATE FUNCTION care.worklist_colleagues(of_unit text) RETURNS TABLE (subject text, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT DISTINCT ON (s.subject) s.subject, s.name FROM care.worklist_sessions s
    WHERE of_unit = ANY (s.units) AND 'coordinator' = ANY (s.roles) AND of_unit = ANY (care.worklist_units())
        AND s.seen > now() - interval '90 days'
    ORDER BY s.subject, s.seen DESC
$$;

CREATE FUNCTION care.worklist_tidy() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM care.worklist_forms WHERE at < now() - interval '2 days';
    DELETE FROM care.worklist_drafts WHERE at < now() - interval '720 hours';
    DELETE FROM care.worklist_sessions WHERE seen < now() - interval '90 days';
$$;

CREATE FUNCTION care.worklist_keep_draft(token text, of_form text, of_content text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    claims jsonb := care.worklist_claims(token);
BEGIN
    IF claims IS NULL OR to_timestamp((claims ->> 'exp')::numeric::double precision) < now() - interval '12 hours' THEN
        RETURN false;
    END IF;
    INSERT INTO care.worklist_drafts (actor, form, content) VALUES (claims ->> 'sub', of_form, of_content)
    ON CONFLICT (actor, form) DO UPDATE SET content = EXCLUDED.content, at = now();
    RETURN true;
END $$;
"""

VISIBLE = "EXISTS (SELECT FROM care.worklist_entries e WHERE e.id = entry)"
OWN = "actor = (SELECT care.worklist_subject())"
ENTRY = (
    "unit = ANY ((SELECT care.worklist_units())::text[]) OR id IN (SELECT opened FROM care.worklist_opened() AS opened)"
)
POLICIES = (
    ("worklist_entries", "SELECT", ENTRY, None),
    ("worklist_entries", "UPDATE", ENTRY, ENTRY),
    ("worklist_scores", "SELECT", VISIBLE, None),
    ("worklist_events", "SELECT", VISIBLE, None),
    ("worklist_events", "INSERT", None, f"{OWN} AND {VISIBLE}"),
    ("worklist_views", "SELECT", VISIBLE, None),
    ("worklist_views", "INSERT", None, f"{OWN} AND {VISIBLE}"),
    (
        "worklist_break_glass",
        "SELECT",
        f"{OWN} OR unit = ANY ((SELECT care.worklist_units())::text[]) OR (SELECT care.worklist_has_role('auditor'))",
        None,
    ),
    ("worklist_forms", "SELECT", OWN, None),
    ("worklist_forms", "INSERT", None, OWN),
    ("worklist_drafts", "SELECT", OWN, None),
    ("worklist_drafts", "INSERT", None, OWN),
    ("worklist_drafts", "UPDATE", OWN, OWN),
    ("worklist_drafts", "DELETE", OWN, None),
)
"""Table, command, condition for rows that exist, condition for rows that are written."""

FUNCTIONS = (
    "worklist_place(text, text, text, timestamptz, timestamptz, jsonb)",
    "worklist_record_readmission(text, boolean, integer)",
    "worklist_opened()",
    "worklist_break_glass_open(text, text, text)",
    "worklist_colleagues(text)",
    "worklist_tidy()",
    "worklist_keep_draft(text, text, text)",
)
NAMES = ("entries", "scores", "events", "views", "break_glass", "forms", "drafts", "feedback")


def upgrade() -> None:
    """Create the tables, the functions and the policies."""
    op.execute(TABLES)
    op.execute(PLACE)
    for table in sorted({table for table, *_ in POLICIES}):
        op.execute(f"ALTER TABLE care.{table} ENABLE ROW LEVEL SECURITY")
    for table, command, using, check in POLICIES:
        conditions = (f" USING ({using})" if using else "") + (f" WITH CHECK ({check})" if check else "")
        op.execute(f"CREATE POLICY {table}_{command.lower()} ON care.{table} FOR {command}{conditions}")
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION care.{function} FROM PUBLIC")


def downgrade() -> None:
    """Drop them."""
    op.execute(f"DROP TABLE {', '.join(f'care.worklist_{name}' for name in NAMES)} CASCADE")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION care.{function}")
