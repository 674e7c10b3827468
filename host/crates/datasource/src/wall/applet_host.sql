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

-- What PUBLIC has lost to us, and what others got by name instead: to be given back and taken away again.
CREATE TABLE IF NOT EXISTS applet_host.moved_rights (
    class     oid NOT NULL,
    object    oid NOT NULL,
    sub       integer NOT NULL,
    grantee   oid NOT NULL,
    privilege text NOT NULL,
    grantable boolean NOT NULL,
    taken     boolean NOT NULL,
    PRIMARY KEY (class, object, sub, grantee, privilege, taken)
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

REVOKE ALL ON ALL TABLES IN SCHEMA applet_host FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA applet_host FROM PUBLIC;

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
