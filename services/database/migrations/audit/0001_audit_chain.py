"""The audit chain: records that the database itself links, and the feature values beside them.

A login that may insert gives an entry and nothing else. The trigger takes the lock of the chain, and sets sequence,
time, login, previous hash and hash, so no login can write a record out of order, in the name of another login, or at
another time. Triggers refuse every change of a record to every role, the owner included; they fire in every session
(ENABLE ALWAYS).
"""

from alembic import op

revision = "0001_audit_chain"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE audit.records (
    sequence bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    login text NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    entry text NOT NULL
);
CREATE INDEX records_recorded_at ON audit.records (recorded_at);
CREATE INDEX records_entry ON audit.records USING gin ((entry::jsonb) jsonb_path_ops);

CREATE TABLE audit.feature_values (
    digest bytea PRIMARY KEY,
    sequence bigint NOT NULL REFERENCES audit.records,
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    content bytea NOT NULL CHECK (octet_length(content) <= 65536),
    CHECK (digest = sha256(salt || content))
);
CREATE INDEX feature_values_sequence ON audit.feature_values (sequence);
"""

# The lock is one of the database, and a hospital has its own database. Read committed: the statement after the lock
# sees what the holder before committed.
LINK = """
CREATE FUNCTION audit.link_record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entry jsonb;
    required text[] := ARRAY['request_id', 'occurred_at', 'service', 'route', 'hospital', 'caller', 'outcome',
        'status'];
    optional text[] := ARRAY['workflow', 'caller_role', 'purpose', 'recipient', 'encounter', 'patient', 'encounters',
        'release', 'freshness_hours', 'fallback_reason', 'action', 'detail', 'scores', 'configuration'];
    head audit.records%ROWTYPE;
BEGIN
    IF NEW.sequence IS NOT NULL OR NEW.recorded_at IS NOT NULL OR NEW.login IS NOT NULL
        OR NEW.previous_hash IS NOT NULL OR NEW.hash IS NOT NULL THEN
        RAISE EXCEPTION 'the database links the records of the chain; insert the entry alone' USING ERRCODE = '23001';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'append to the chain in a READ COMMITTED transaction' USING ERRCODE = '25001';
    END IF;
    IF session_user !~ '^[A-Za-z0-9_.@-]{1,63}$' THEN
        RAISE EXCEPTION 'the name of the login has characters that a record cannot hold' USING ERRCODE = '22023';
    END IF;
    IF octet_length(NEW.entry) > 524288 THEN
        RAISE EXCEPTION 'the entry is larger than 512 KiB' USING ERRCODE = '22001';
    END IF;
    entry := NEW.entry::jsonb;
    IF jsonb_typeof(entry) <> 'object'
        OR NOT entry ?& required
        OR entry - required - optional <> '{}'
        OR entry ->> 'service' NOT IN ('care', 'planning', 'gateway')
        OR entry ->> 'outcome' NOT IN ('answered', 'refused', 'fallback', 'failed') THEN
        RAISE EXCEPTION 'the entry is not an audit entry' USING ERRCODE = '23514';
    END IF;

    PERFORM pg_advisory_xact_lock(4704173226180993);
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT * INTO head FROM audit.records ORDER BY sequence DESC LIMIT 1;
    IF head.entry::jsonb ->> 'hospital' <> entry ->> 'hospital' THEN
        RAISE EXCEPTION 'the chain is of another hospital' USING ERRCODE = '23514';
    END IF;
    NEW.sequence := coalesce(head.sequence, 0) + 1;
    NEW.recorded_at := greatest(clock_timestamp(), head.recorded_at);
    NEW.login := session_user;
    NEW.previous_hash := coalesce(head.hash, decode(repeat('00', 32), 'hex'));
    NEW.hash := sha256(convert_to(
        '{"entry":' || NEW.entry
        || ',"login":"' || NEW.login
        || '","previous_hash":"' || encode(NEW.previous_hash, 'hex')
        || '","recorded_at":"' || to_char(NEW.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || '","sequence":' || NEW.sequence
        || ',"version"\\:1}', 'UTF8'));
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION audit.link_record() FROM PUBLIC;
CREATE TRIGGER link BEFORE INSERT ON audit.records FOR EACH ROW EXECUTE FUNCTION audit.link_record();
ALTER TABLE audit.records ENABLE ALWAYS TRIGGER link;
"""

REFUSE = """
CREATE FUNCTION audit.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% of audit.% is refused: the chain is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = '23001';
END $$;
REVOKE ALL ON FUNCTION audit.refuse_change() FROM PUBLIC;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON audit.records
    FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit.records
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE ON audit.feature_values
    FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit.feature_values
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
ALTER TABLE audit.records ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE audit.records ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE audit.feature_values ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE audit.feature_values ENABLE ALWAYS TRIGGER refuse_truncate;
"""

# Values enter with the record that names their digest, and leave only after a record of their erasure.
FEATURES = """
CREATE FUNCTION audit.check_features() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    scored jsonb;
BEGIN
    -- OLD is null in an insertion, and NEW in a deletion.
    SELECT score INTO scored
        FROM audit.records AS r, jsonb_array_elements(r.entry::jsonb -> 'scores') AS score
        WHERE r.sequence = coalesce(NEW.sequence, OLD.sequence)
            AND score ->> 'features_digest' = encode(coalesce(NEW.digest, OLD.digest), 'hex');
    IF TG_OP = 'INSERT' THEN
        IF scored IS NULL THEN
            RAISE EXCEPTION 'the record does not name the digest of these feature values' USING ERRCODE = '23514';
        END IF;
        RETURN NEW;
    END IF;
    IF NOT EXISTS (
        SELECT FROM audit.records AS r
        WHERE r.sequence > OLD.sequence
            AND r.entry::jsonb @> '{"action": "erase-features", "outcome": "answered"}'
            AND (r.entry::jsonb ->> 'encounter' = scored ->> 'encounter'
                OR r.entry::jsonb ->> 'patient' = scored ->> 'patient')
    ) THEN
        RAISE EXCEPTION 'no record of the erasure of these feature values' USING ERRCODE = '23001';
    END IF;
    RETURN OLD;
END $$;
REVOKE ALL ON FUNCTION audit.check_features() FROM PUBLIC;
CREATE TRIGGER check_features BEFORE INSERT OR DELETE ON audit.feature_values
    FOR EACH ROW EXECUTE FUNCTION audit.check_features();
ALTER TABLE audit.feature_values ENABLE ALWAYS TRIGGER check_features;
"""


def upgrade() -> None:
    """Create the chain; the schema exists, and its owner runs this."""
    for statement in (TABLES, LINK, REFUSE, FEATURES):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: records are kept six years."""
    raise NotImplementedError("The audit chain is never removed by a migration; restore a backup instead.")
