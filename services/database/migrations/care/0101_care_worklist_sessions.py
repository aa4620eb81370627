"""Sessions of the worklist, which the database opens for a token that the identity provider signed.

Row-level security needs to know who asks. A setting of the session (``set_config``) would not do: whoever has the
service's login could set it to any unit. So the database verifies the access token itself, with public keys that only
the owner role writes, and notes which transaction it was verified in. The policies read that note: a stolen login
without a person's current token sees no row, and can choose neither person, unit nor purpose.

RSASSA-PKCS1-v1_5 with SHA-256 (RS256): RFC 8017, section 8.2.2, by comparison of the whole encoded message; the token:
RFC 7515 and 7519. PostgreSQL has no function that verifies an RSA signature, and managed servers no extension for it.
"""

from alembic import op

revision = "0101_care_worklist_sessions"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE care.worklist_issuers (
    issuer text PRIMARY KEY,
    audience text NOT NULL,
    hospital text NOT NULL,
    acr text[] NOT NULL CHECK (cardinality(acr) > 0),
    idle interval NOT NULL DEFAULT '15 minutes' CHECK (idle BETWEEN '1 second' AND '1 hour'),
    longest interval NOT NULL DEFAULT '10 hours' CHECK (longest BETWEEN '1 second' AND '24 hours')
);
COMMENT ON TABLE care.worklist_issuers IS 'Identity provider of the hospital, and how long a session lasts';

CREATE TABLE care.worklist_signing_keys (
    issuer text NOT NULL REFERENCES care.worklist_issuers ON DELETE CASCADE,
    kid text NOT NULL,
    modulus numeric NOT NULL CHECK (modulus > 0),
    octets integer NOT NULL CHECK (octets BETWEEN 256 AND 1024),
    PRIMARY KEY (issuer, kid)
);
COMMENT ON TABLE care.worklist_signing_keys IS 'Public RSA keys of identity providers; the exponent is 65537';

CREATE TABLE care.worklist_sessions (
    issuer text NOT NULL,
    sid text NOT NULL,
    subject text NOT NULL,
    name text NOT NULL,
    units text[] NOT NULL,
    roles text[] NOT NULL,
    purpose text NOT NULL,
    form_key text NOT NULL,
    started timestamptz NOT NULL,
    seen timestamptz NOT NULL,
    ended timestamptz,
    transaction xid8,
    PRIMARY KEY (issuer, sid)
);
CREATE UNIQUE INDEX worklist_sessions_transaction ON care.worklist_sessions (transaction);
CREATE INDEX worklist_sessions_subject ON care.worklist_sessions (subject);
COMMENT ON TABLE care.worklist_sessions IS 'Sessions of people; written by functions alone, read by policies';
"""

VERIFY = """
CREATE FUNCTION care.worklist_number(octets bytea) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE
    total numeric := 0;
BEGIN
    FOR i IN 0 .. length(octets) - 1 LOOP
        total := total * 256 + get_byte(octets, i);
    END LOOP;
    RETURN total;
END $$;

CREATE FUNCTION care.worklist_octets(part text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
    SELECT decode(rpad(translate(part, '-_', '+/'), (length(part) + 3) / 4 * 4, '='), 'base64')
$$;

CREATE FUNCTION care.worklist_signed(signing_input text, signature bytea, modulus numeric, octets integer)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
DECLARE
    base numeric;
    power numeric;
    expected bytea;
BEGIN
    IF length(signature) <> octets THEN
        RETURN false;
    END IF;
    base := care.worklist_number(signature);
    IF base >= modulus THEN
        RETURN false;
    END IF;
    power := base;
    FOR i IN 1 .. 16 LOOP
        power := mod(power * power, modulus);
    END LOOP;
    power := mod(power * base, modulus);
    expected := '\\x0001'::bytea || decode(repeat('ff', octets - 54), 'hex')
        || '\\x003031300d060960864801650304020105000420'::bytea || sha256(convert_to(signing_input, 'UTF8'));
    RETURN power = care.worklist_number(expected);
END $$;

CREATE FUNCTION care.worklist_claims(token text) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog AS $$
DECLARE
    parts text[] := string_to_array(token, '.');
    header jsonb;
    claims jsonb;
    provider care.worklist_issuers;
    key care.worklist_signing_keys;
BEGIN
    IF length(token) > 16384 OR cardinality(parts) <> 3 THEN
        RETURN NULL;
    END IF;
    header := convert_from(care.worklist_octets(parts[1]), 'UTF8')::jsonb;
    claims := convert_from(care.worklist_octets(parts[2]), 'UTF8')::jsonb;
    IF header ->> 'alg' IS DISTINCT FROM 'RS256' OR header ? 'crit' THEN
        RETURN NULL;
    END IF;
    SELECT * INTO provider FROM care.worklist_issuers WHERE issuer = claims ->> 'iss';
    SELECT * INTO key FROM care.worklist_signing_keys WHERE issuer = claims ->> 'iss' AND kid = header ->> 'kid';
    IF provider.issuer IS NULL OR key.kid IS NULL
        OR NOT care.worklist_signed(
            parts[1] || '.' || parts[2], care.worklist_octets(parts[3]), key.modulus, key.octets)
    THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(claims -> 'exp') IS DISTINCT FROM 'number'
        OR jsonb_typeof(claims -> 'units') IS DISTINCT FROM 'array'
        OR jsonb_typeof(claims -> 'roles') IS DISTINCT FROM 'array'
        OR NOT (claims -> 'aud' = to_jsonb(provider.audience) OR (
            jsonb_typeof(claims -> 'aud') = 'array' AND claims -> 'aud' ? provider.audience))
        OR claims ->> 'typ' IS DISTINCT FROM 'Bearer'
        OR claims ->> 'hospital' IS DISTINCT FROM provider.hospital
        OR NOT COALESCE(claims ->> 'acr' = ANY (provider.acr), false)
        OR COALESCE(claims ->> 'sub', '') = '' OR COALESCE(claims ->> 'sid', '') = ''
        OR COALESCE(claims ->> 'name', '') = ''
    THEN
        RETURN NULL;
    END IF;
    RETURN claims;
EXCEPTION WHEN data_exception OR character_not_in_repertoire OR untranslatable_character THEN
    RETURN NULL;
END $$;
"""

SESSION = """
CREATE FUNCTION care.worklist_strings(list jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
    SELECT COALESCE(array_agg(value), '{}') FROM jsonb_array_elements_text(list) AS element (value)
$$;

CREATE FUNCTION care.worklist_begin(token text)
RETURNS TABLE (state text, subject text, name text, units text[], roles text[], purpose text, form_key text,
    ends timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    claims jsonb := care.worklist_claims(token);
    provider care.worklist_issuers;
    session care.worklist_sessions;
    held text[];
BEGIN
    IF claims IS NULL OR to_timestamp((claims ->> 'exp')::numeric::double precision) <= now() THEN
        RETURN QUERY SELECT 'refused', NULL, NULL, NULL::text[], NULL::text[], NULL, NULL, NULL::timestamptz;
        RETURN;
    END IF;
    SELECT * INTO provider FROM care.worklist_issuers WHERE issuer = claims ->> 'iss';
    held := care.worklist_strings(claims -> 'roles');
    INSERT INTO care.worklist_sessions
        (issuer, sid, subject, name, units, roles, purpose, form_key, started, seen)
    VALUES (claims ->> 'iss', claims ->> 'sid', claims ->> 'sub', claims ->> 'name', '{}', '{}', '',
        encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'), now(), now())
    ON CONFLICT (issuer, sid) DO NOTHING;
    SELECT * INTO session FROM care.worklist_sessions
    WHERE issuer = claims ->> 'iss' AND sid = claims ->> 'sid' FOR UPDATE;
    IF session.subject <> claims ->> 'sub' THEN
        RETURN QUERY SELECT 'refused', NULL, NULL, NULL::text[], NULL::text[], NULL, NULL, NULL::timestamptz;
        RETURN;
    END IF;
    IF session.ended IS NULL AND (
        session.seen + provider.idle < now() OR session.started + provider.longest < now())
    THEN
        session.ended := now();
    END IF;
    UPDATE care.worklist_sessions SET
        name = claims ->> 'name',
        units = care.worklist_strings(claims -> 'units'),
        roles = held,
        purpose = CASE WHEN held && ARRAY['coordinator'] THEN 'TREAT' ELSE 'HOPERAT' END,
        seen = CASE WHEN session.ended IS NULL THEN GREATEST(now(), session.seen) ELSE session.seen END,
        ended = session.ended,
        transaction = CASE WHEN session.ended IS NULL THEN pg_current_xact_id() END
    WHERE issuer = session.issuer AND sid = session.sid
    RETURNING * INTO session;
    RETURN QUERY SELECT CASE WHEN session.ended IS NULL THEN 'open' ELSE 'ended' END, session.subject, session.name,
        session.units, session.roles, session.purpose, session.form_key,
        LEAST(session.seen + provider.idle, session.started + provider.longest);
END $$;

CREATE FUNCTION care.worklist_end() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE care.worklist_sessions SET ended = now() WHERE transaction = pg_current_xact_id_if_assigned()
$$;

CREATE FUNCTION care.worklist_subject() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT subject FROM care.worklist_sessions WHERE transaction = pg_current_xact_id_if_assigned()
$$;

CREATE FUNCTION care.worklist_units() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT COALESCE((
        SELECT units FROM care.worklist_sessions
        WHERE transaction = pg_current_xact_id_if_assigned() AND roles && ARRAY['coordinator', 'manager']), '{}')
$$;

CREATE FUNCTION care.worklist_has_role(wanted text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT EXISTS (
        SELECT FROM care.worklist_sessions
        WHERE transaction = pg_current_xact_id_if_assigned() AND wanted = ANY (roles))
$$;
"""

FUNCTIONS = (
    "worklist_number(bytea)",
    "worklist_octets(text)",
    "worklist_signed(text, bytea, numeric, integer)",
    "worklist_claims(text)",
    "worklist_strings(jsonb)",
    "worklist_begin(text)",
    "worklist_end()",
    "worklist_subject()",
    "worklist_units()",
    "worklist_has_role(text)",
)


def upgrade() -> None:
    """Create the tables of sessions, and the functions that open and read a session."""
    for statement in (TABLES, VERIFY, SESSION):
        op.execute(statement)
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION care.{function} FROM PUBLIC")


def downgrade() -> None:
    """Drop them."""
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION care.{function}")
    op.execute("DROP TABLE care.worklist_sessions, care.worklist_signing_keys, care.worklist_issuers")
