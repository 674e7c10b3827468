-- Claims a physical table name for an applet. A second claim waits for the first to commit, so two
-- tenants that install the same applet at once create its table once, and another applet is refused.
CREATE FUNCTION applet_host.claim_table(physical text, applet text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO applet_host.own_tables (physical_name, applet_id) VALUES (physical, applet)
        ON CONFLICT (physical_name) DO NOTHING;
    PERFORM FROM applet_host.own_tables AS t WHERE t.physical_name = physical AND t.applet_id = applet FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the table name belongs to another applet' USING ERRCODE = 'AH002';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION applet_host.claim_table(text, text) FROM PUBLIC;
