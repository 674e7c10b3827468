-- What the host keeps in a database that it guards: its secret, which tables it adopted, which roles it
-- made, and the audit trail. Applied as a whole by the first preparation; idempotent.
-- The role applet_guest exists already. Nobody but the owner of the schema gets a right on a table here.

CREATE SCHEMA IF NOT EXISTS applet_host;
REVOKE ALL ON SCHEMA applet_host FROM PUBLIC;
GRANT USAGE ON SCHEMA applet_host TO applet_guest;

-- The key from which the passwords of the login roles are derived, so that several processes agree.
CREATE TABLE IF NOT EXISTS applet_host.secret (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    key      bytea NOT NULL CHECK (octet_length(key) = 32)
);

-- The key with which settings of the tenant are signed, as the two blocks of HMAC-SHA256. There is a row only
-- where the setting is signed. It is derived from the secret, and nothing that logs in is derived from it.
CREATE TABLE IF NOT EXISTS applet_host.tenant_key (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    inner_pad bytea NOT NULL CHECK (octet_length(inner_pad) = 64),
    outer_pad bytea NOT NULL CHECK (octet_length(outer_pad) = 64)
);

-- Tables that got the second wall from us, and whether row security was on before: then the policies of
-- other roles are their owner's business, and we must not widen them.
CREATE TABLE IF NOT EXISTS applet_host.adopted (
    relation         oid PRIMARY KEY,
    had_row_security boolean NOT NULL,
    at               timestamptz NOT NULL DEFAULT now()
);

-- Preparations of a database that is not the host's own, each approved by an operator (`applet adopt`).
CREATE TABLE IF NOT EXISTS applet_host.adoptions (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest    text NOT NULL,
    actor     text NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    undone_by text,
    undone_at timestamptz
);

-- Tables that applets may see because of that, and what to leave them with when it is undone.
CREATE TABLE IF NOT EXISTS applet_host.adopted_tables (
    relation         oid PRIMARY KEY,
    adoption         bigint NOT NULL REFERENCES applet_host.adoptions,
    had_row_security boolean NOT NULL,
    policies         text[] NOT NULL
);

-- Login roles made for this database. The full digest stands here because the name has only a part of it.
CREATE TABLE IF NOT EXISTS applet_host.login (
    role     name PRIMARY KEY,
    applet   text NOT NULL,
    grants   text NOT NULL,
    verifier text NOT NULL,
    purpose  text NOT NULL CHECK (purpose IN ('installation', 'command'))
);

CREATE TABLE IF NOT EXISTS applet_host.audit (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    request      uuid NOT NULL,
    tenant       uuid NOT NULL,
    workspace    uuid NOT NULL,
    applet       text NOT NULL,
    installation uuid NOT NULL,
    user_id      uuid,
    role         text NOT NULL,
    operation    text NOT NULL,
    tables       text[] NOT NULL,
    sql          text NOT NULL,
    rows         bigint NOT NULL,
    duration_us  bigint NOT NULL,
    error        text
);
CREATE INDEX IF NOT EXISTS audit_tenant_at ON applet_host.audit (tenant, at);

-- In which transaction a record came. Records whose transactions are all over are sealed in this order, so
-- that nothing can appear before what is sealed. What was recorded before there was a chain has 0.
ALTER TABLE applet_host.audit ADD COLUMN IF NOT EXISTS xid xid8 NOT NULL DEFAULT '0';
ALTER TABLE applet_host.audit ALTER COLUMN xid SET DEFAULT pg_catalog.pg_current_xact_id();
CREATE INDEX IF NOT EXISTS audit_by_transaction ON applet_host.audit (xid, id);

-- Reads and denials are numbered by the process that recorded them, so that one which is lost leaves a gap
-- and none is written twice. Writes need no number: they are as durable as what they record.
ALTER TABLE applet_host.audit ADD COLUMN IF NOT EXISTS writer uuid;
ALTER TABLE applet_host.audit ADD COLUMN IF NOT EXISTS number bigint;
CREATE UNIQUE INDEX IF NOT EXISTS audit_by_number ON applet_host.audit (writer, number) WHERE writer IS NOT NULL;

-- The numbers that a gap is about; `request` is then the writer.
ALTER TABLE applet_host.audit ADD COLUMN IF NOT EXISTS missing_from bigint;
ALTER TABLE applet_host.audit ADD COLUMN IF NOT EXISTS missing_to bigint;

-- The trail only grows. ALWAYS: `session_replication_role` switches it off for nobody.
CREATE OR REPLACE FUNCTION applet_host.audit_only_grows() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail only grows' USING ERRCODE = 'AH004';
END
$$;
REVOKE ALL ON FUNCTION applet_host.audit_only_grows() FROM PUBLIC;
CREATE OR REPLACE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON applet_host.audit
    FOR EACH STATEMENT EXECUTE FUNCTION applet_host.audit_only_grows();
ALTER TABLE applet_host.audit ENABLE ALWAYS TRIGGER audit_only_grows;

-- Processes that number records. At most `capacity` of them are on their way at any time, so that the end
-- of one that dies can be told within that. `issued` is the last number given out when it was last seen,
-- `refused` counts those that the database would not take.
CREATE TABLE IF NOT EXISTS applet_host.audit_writers (
    writer     uuid PRIMARY KEY,
    base       bigint NOT NULL,
    capacity   bigint NOT NULL,
    issued     bigint NOT NULL,
    refused    bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at   timestamptz,
    settled_at timestamptz
);
CREATE INDEX IF NOT EXISTS audit_writers_unsettled ON applet_host.audit_writers (writer) WHERE settled_at IS NULL;

-- The read cache (SPEC Decision 8). Whatever is cached belongs to one epoch; a new epoch leaves all of it
-- behind.
CREATE TABLE IF NOT EXISTS applet_host.cache_epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch    bigint NOT NULL
);
INSERT INTO applet_host.cache_epoch (epoch) VALUES (1) ON CONFLICT DO NOTHING;

-- Hosts that write without being able to tell the others, by lease: while one is here, no other host serves
-- anything cached.
CREATE TABLE IF NOT EXISTS applet_host.cache_writers (
    host     uuid PRIMARY KEY,
    until_at timestamptz NOT NULL
);

-- Caps that hold across hosts (SPEC Decision 18). A host is one process; its lease ends, by this clock, when it
-- was not extended. `fenced_at`: others have begun to end its sessions, and it never comes back.
CREATE TABLE IF NOT EXISTS applet_host.pool_hosts (
    host      uuid PRIMARY KEY,
    until_at  timestamptz NOT NULL,
    fenced_at timestamptz
);

-- How much of a cap a host holds, and how much more it wants. What it wants is forgotten unless it is repeated.
CREATE TABLE IF NOT EXISTS applet_host.pool_shares (
    what        text NOT NULL,
    host        uuid NOT NULL REFERENCES applet_host.pool_hosts ON DELETE CASCADE,
    held        int NOT NULL CHECK (held >= 0),
    wants       int NOT NULL CHECK (wants >= 0),
    asked_at    timestamptz,
    wants_until timestamptz,
    PRIMARY KEY (what, host)
);
CREATE INDEX IF NOT EXISTS pool_shares_of_host ON applet_host.pool_shares (host);
CREATE INDEX IF NOT EXISTS pool_shares_wanted ON applet_host.pool_shares (what) WHERE wants > 0;

-- Whoever takes a share locks this row, so that two never take the same.
CREATE TABLE IF NOT EXISTS applet_host.pool_turn (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO applet_host.pool_turn DEFAULT VALUES ON CONFLICT DO NOTHING;

-- The sessions that hosts have open for applets: they carry their host's name. Those of roles that are none of
-- ours are nobody's to end; a role that was dropped has no name any more.
CREATE OR REPLACE VIEW applet_host.pool_sessions AS
SELECT h.host, a.pid
FROM applet_host.pool_hosts h
     JOIN pg_catalog.pg_stat_activity a ON a.application_name = 'applet-host ' || h.host::text
WHERE a.datname = pg_catalog.current_database()
  AND (a.usename IS NULL OR a.usename IN (SELECT l.role FROM applet_host.login l));

REVOKE ALL ON ALL TABLES IN SCHEMA applet_host FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA applet_host FROM PUBLIC;

-- The tenant of this session, where the setting is signed:
--   <tenant, 36> . <process, 10> . <end, 13, in ms since 1970> . <HMAC-SHA256 of what is before and the role, 64>
-- NULL when nothing is set. Anything that the host did not make for this session and this time is an error and
-- not NULL: a host whose setting has run out must not take it for an empty table. It has no arguments and tells
-- nothing but whose session it is, so it signs nothing for anybody. The two tags are compared by their digests:
-- how long that takes depends on nothing that a guest chooses. Every name is qualified, operators included.
CREATE OR REPLACE FUNCTION applet_host.tenant() RETURNS pg_catalog.uuid
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
<<own>>
DECLARE
    setting CONSTANT pg_catalog.text := pg_catalog.current_setting('applet.tenant', true);
    claim   CONSTANT pg_catalog.text := pg_catalog.left(setting, 61);
    now_ms  CONSTANT pg_catalog.float8 := pg_catalog.date_part('epoch', pg_catalog.statement_timestamp())
                                          OPERATOR(pg_catalog.*) 1000::pg_catalog.float8;
    key     applet_host.tenant_key%ROWTYPE;
    tag     pg_catalog.text;
BEGIN
    IF (setting IS NULL) OR (setting OPERATOR(pg_catalog.=) '') THEN
        RETURN NULL;
    END IF;
    SELECT k.only_row, k.inner_pad, k.outer_pad INTO own.key FROM applet_host.tenant_key AS k;
    tag := pg_catalog.encode(pg_catalog.sha256(key.outer_pad OPERATOR(pg_catalog.||) pg_catalog.sha256(
        key.inner_pad OPERATOR(pg_catalog.||) pg_catalog.convert_to(
            (claim OPERATOR(pg_catalog.||) '.') OPERATOR(pg_catalog.||) session_user::pg_catalog.text, 'UTF8'))), 'hex');
    IF pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.substr(setting, 62), 'UTF8'))
       OPERATOR(pg_catalog.=) pg_catalog.sha256(pg_catalog.convert_to('.' OPERATOR(pg_catalog.||) tag, 'UTF8'))
    THEN
        -- The host wrote it, so its parts are what they should be.
        IF (pg_catalog.substr(claim, 38, 10)::pg_catalog.int4 OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())
           AND (pg_catalog.substr(claim, 49, 13)::pg_catalog.float8 OPERATOR(pg_catalog.>) now_ms)
        THEN
            RETURN pg_catalog.left(claim, 36)::pg_catalog.uuid;
        END IF;
    END IF;
    RAISE EXCEPTION 'the tenant setting is not valid here and now' USING ERRCODE = 'AH005';
END
$$;
REVOKE ALL ON FUNCTION applet_host.tenant() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION applet_host.tenant() TO applet_guest;

-- What a host has to know to sign for its session: whether the setting is signed here at all, which process
-- serves the session, and the server's clock in ms.
CREATE OR REPLACE FUNCTION applet_host.tenant_form(OUT signed boolean, OUT process integer, OUT clock_ms bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    signed := EXISTS (SELECT FROM applet_host.tenant_key);
    process := pg_catalog.pg_backend_pid();
    clock_ms := (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())
                 OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8;
END
$$;
REVOKE ALL ON FUNCTION applet_host.tenant_form() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION applet_host.tenant_form() TO applet_guest;

-- The record of a write, inside the write's own transaction. Tenant and role come from the session: an
-- applet can neither write into another tenant's trail nor under another role's name. Every name in the
-- body is qualified, operators and types included, so no search_path can redirect it. In plpgsql, which
-- plans the INSERT once for a session: a function in SQL plans it anew for every write.
CREATE OR REPLACE FUNCTION applet_host.audit_write(
    request uuid, workspace uuid, applet text, installation uuid, user_id uuid, operation text,
    tables text[], sql text, rows bigint, duration_us bigint, error text
) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
<<own>>
DECLARE
    tenant CONSTANT pg_catalog.text := pg_catalog.current_setting('applet.tenant', true);
BEGIN
    INSERT INTO applet_host.audit
        (request, tenant, workspace, applet, installation, user_id, role, operation, tables, sql, rows,
         duration_us, error)
    VALUES
        (audit_write.request,
         CASE WHEN own.tenant OPERATOR(pg_catalog.=) '' THEN NULL
              ELSE own.tenant::pg_catalog.uuid END,
         audit_write.workspace, audit_write.applet, audit_write.installation, audit_write.user_id,
         session_user, audit_write.operation, audit_write.tables,
         pg_catalog.left(audit_write.sql, 2048), audit_write.rows, audit_write.duration_us,
         audit_write.error);
END
$$;
REVOKE ALL ON FUNCTION applet_host.audit_write FROM PUBLIC;
GRANT EXECUTE ON FUNCTION applet_host.audit_write TO applet_guest;

-- Ends the sessions of a host. An owner who may not do that waits until they end by themselves.
CREATE OR REPLACE FUNCTION applet_host.pool_end_sessions(gone uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_terminate_backend(s.pid) FROM applet_host.pool_sessions s WHERE s.host = gone;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END
$$;

-- Of hosts whose lease is over: ends their sessions, and once those are gone forgets what they held. A second
-- passes in between, in which a host that lives after all learns of it and closes its sessions itself.
CREATE OR REPLACE FUNCTION applet_host.pool_bury() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE applet_host.pool_hosts SET fenced_at = clock_timestamp()
    WHERE host IN (SELECT h.host FROM applet_host.pool_hosts h
                   WHERE h.until_at < clock_timestamp() AND h.fenced_at IS NULL FOR UPDATE SKIP LOCKED);
    IF NOT EXISTS (SELECT FROM applet_host.pool_hosts WHERE fenced_at IS NOT NULL) THEN
        RETURN;
    END IF;
    PERFORM applet_host.pool_end_sessions(h.host) FROM applet_host.pool_hosts h WHERE h.fenced_at IS NOT NULL;
    DELETE FROM applet_host.pool_hosts h
    WHERE h.fenced_at < clock_timestamp() - interval '1 second'
      AND NOT EXISTS (SELECT FROM applet_host.pool_sessions s WHERE s.host = h.host);
END
$$;

-- A new host.
CREATE OR REPLACE FUNCTION applet_host.pool_join(mine uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO applet_host.pool_hosts (host, until_at) VALUES (mine, clock_timestamp() + interval '10 seconds');
    PERFORM applet_host.pool_bury();
    RETURN true;
END
$$;

-- Extends the lease; false when the host was given up.
CREATE OR REPLACE FUNCTION applet_host.pool_extend(mine uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE applet_host.pool_hosts SET until_at = clock_timestamp() + interval '10 seconds'
    WHERE host = mine AND fenced_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM applet_host.pool_bury();
    RETURN true;
END
$$;

-- Takes shares: `asks` is a list of {what, need, cap}. A host that is alone gets all there is. Otherwise what it
-- needs, and one to spare; and when others want the same, no more than levels it with them, those that have
-- less or have asked longer first. Gives {what: held}, and NULL to a host that was given up.
CREATE OR REPLACE FUNCTION applet_host.pool_take(mine uuid, asks text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ask     record;
    alone   boolean;
    own     int;
    free    int;
    wanting int;
    theirs  int;
    ahead   int;
    more    int;
    still   int;
    since   timestamptz;
    given   jsonb := '{}';
BEGIN
    PERFORM FROM applet_host.pool_turn FOR UPDATE;
    IF EXISTS (SELECT FROM applet_host.pool_hosts WHERE until_at < clock_timestamp() AND host <> mine) THEN
        PERFORM applet_host.pool_bury();
    END IF;
    IF NOT EXISTS (SELECT FROM applet_host.pool_hosts WHERE host = mine AND fenced_at IS NULL) THEN
        RETURN NULL;
    END IF;
    alone := NOT EXISTS (SELECT FROM applet_host.pool_hosts WHERE host <> mine);
    FOR ask IN SELECT * FROM jsonb_to_recordset(asks::jsonb) AS a(what text, need int, cap int) LOOP
        SELECT coalesce(sum(s.held) FILTER (WHERE s.host = mine), 0), greatest(0, ask.cap - coalesce(sum(s.held), 0)),
               coalesce(max(s.asked_at) FILTER (WHERE s.host = mine AND s.wants > 0 AND s.wants_until > clock_timestamp()),
                        clock_timestamp())
        INTO own, free, since FROM applet_host.pool_shares s WHERE s.what = ask.what;
        SELECT count(*), coalesce(sum(s.held), 0),
               count(*) FILTER (WHERE s.held < own OR (s.held = own AND s.asked_at < since))
        INTO wanting, theirs, ahead
        FROM applet_host.pool_shares s JOIN applet_host.pool_hosts h USING (host)
        WHERE s.what = ask.what AND s.host <> mine AND s.wants > 0 AND s.wants_until > clock_timestamp()
          AND h.until_at > clock_timestamp();
        more := greatest(0, CASE
            WHEN alone THEN free
            WHEN wanting = 0 THEN least(free, ask.need + 1 - own)
            ELSE least(free - ahead, ask.need - own, (free + own + theirs + wanting) / (wanting + 1) - own)
        END);
        still := greatest(0, ask.need - own - more);
        INSERT INTO applet_host.pool_shares AS s (what, host, held, wants, asked_at, wants_until)
        VALUES (ask.what, mine, own + more, still, CASE WHEN still > 0 THEN since END,
                CASE WHEN still > 0 THEN clock_timestamp() + interval '1 second' END)
        ON CONFLICT (what, host) DO UPDATE
            SET held = excluded.held, wants = excluded.wants, asked_at = excluded.asked_at,
                wants_until = excluded.wants_until
            WHERE s.held <> excluded.held OR s.wants <> excluded.wants
               OR s.wants_until < clock_timestamp() + interval '500 milliseconds';
        given := given || jsonb_build_object(ask.what, own + more);
    END LOOP;
    RETURN given::text;
END
$$;

-- What others want of that which this host holds: a list of {what, total, wanting: [[held, wants]]}. NULL to a
-- host that was given up.
CREATE OR REPLACE FUNCTION applet_host.pool_look(mine uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM applet_host.pool_hosts WHERE host = mine AND fenced_at IS NULL) THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (SELECT FROM applet_host.pool_shares WHERE wants > 0) THEN
        RETURN '[]';
    END IF;
    RETURN (
        SELECT coalesce(jsonb_agg(jsonb_build_object('what', w.what, 'wanting', w.wanting, 'total',
                   (SELECT sum(a.held) FROM applet_host.pool_shares a WHERE a.what = w.what))), '[]')::text
        FROM (SELECT s.what, jsonb_agg(jsonb_build_array(s.held, s.wants)) AS wanting
              FROM applet_host.pool_shares s JOIN applet_host.pool_hosts h USING (host)
              WHERE s.wants > 0 AND s.wants_until > clock_timestamp() AND s.host <> mine
                AND h.until_at > clock_timestamp()
                AND EXISTS (SELECT FROM applet_host.pool_shares o
                            WHERE o.what = s.what AND o.host = mine AND o.held > 0)
              GROUP BY s.what) AS w);
END
$$;

-- Gives shares back: `shares` is {what: held}, what the host keeps of each.
CREATE OR REPLACE FUNCTION applet_host.pool_put(mine uuid, shares text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE applet_host.pool_shares s SET held = least(s.held, p.value::int)
    FROM jsonb_each_text(shares::jsonb) AS p WHERE s.what = p.key AND s.host = mine;
    DELETE FROM applet_host.pool_shares s
    WHERE s.host = mine AND s.held = 0 AND (s.wants = 0 OR s.wants_until < clock_timestamp());
    RETURN true;
END
$$;

-- What this host holds, for one that has lost count: {what: held}; NULL to a host that was given up.
CREATE OR REPLACE FUNCTION applet_host.pool_held(mine uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM applet_host.pool_hosts WHERE host = mine AND fenced_at IS NULL) THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT coalesce(jsonb_object_agg(s.what, s.held), '{}')::text
            FROM applet_host.pool_shares s WHERE s.host = mine);
END
$$;

-- Ends the lease of a host that leaves, or whose process is gone, and its sessions. Says whether nothing of it
-- is left; what is is for others to bury.
CREATE OR REPLACE FUNCTION applet_host.pool_leave(mine uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE applet_host.pool_hosts SET until_at = least(until_at, clock_timestamp()) WHERE host = mine;
    PERFORM applet_host.pool_end_sessions(mine);
    DELETE FROM applet_host.pool_hosts h
    WHERE h.host = mine AND NOT EXISTS (SELECT FROM applet_host.pool_sessions s WHERE s.host = mine);
    RETURN NOT EXISTS (SELECT FROM applet_host.pool_hosts WHERE host = mine);
END
$$;
REVOKE ALL ON FUNCTION applet_host.pool_end_sessions(uuid), applet_host.pool_bury(), applet_host.pool_join(uuid), applet_host.pool_extend(uuid),
    applet_host.pool_take(uuid, text), applet_host.pool_look(uuid), applet_host.pool_put(uuid, text),
    applet_host.pool_held(uuid), applet_host.pool_leave(uuid) FROM PUBLIC;
