-- The hash chain over each tenant's audit trail (SPEC F14). Built afterwards, in commit order, so that no
-- write waits for it. The records themselves are in `applet_host.audit`, which the guarding of a database
-- makes: `record` is their id. Tenant 0 stands for the host: gaps are recorded there.
CREATE TABLE applet_host.audit_chain (
    tenant_id uuid NOT NULL,
    seq       bigint NOT NULL CHECK (seq > 0),
    record    bigint NOT NULL UNIQUE,
    hash      bytea NOT NULL CHECK (octet_length(hash) = 32),
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, seq)
);
-- The chain only grows. ALWAYS: `session_replication_role` switches it off for nobody.
CREATE FUNCTION applet_host.audit_chain_only_grows() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the chain of the audit trail only grows' USING ERRCODE = 'AH004';
END
$$;
REVOKE ALL ON FUNCTION applet_host.audit_chain_only_grows() FROM PUBLIC;
CREATE TRIGGER audit_chain_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON applet_host.audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION applet_host.audit_chain_only_grows();
ALTER TABLE applet_host.audit_chain ENABLE ALWAYS TRIGGER audit_chain_only_grows;
