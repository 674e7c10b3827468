-- An installation leaves its tables. What stays behind in `kept` is kept for so many hours (30 x 24, never
-- "30 days", which a change of the clocks would shorten); with 0 it is what a call that was still running
-- may write after the rows were deleted. Runs in the transaction that deletes or hides.
CREATE FUNCTION applet_host.leave_tables(installation uuid, kept text[], hours integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE applet_host.installations AS i SET left_at = clock_timestamp() WHERE i.id = installation;
    IF hours = 0 THEN
        UPDATE applet_host.retentions AS r SET ended_at = clock_timestamp(), outcome = 'deleted'
          FROM applet_host.installations AS i
         WHERE i.id = installation AND r.tenant_id = i.tenant_id AND r.applet_id = i.applet_id
           AND r.ended_at IS NULL;
    END IF;
    IF cardinality(kept) > 0 THEN
        INSERT INTO applet_host.retentions 
            (tenant_id, applet_id, installation_id, tables, keep_hours, keep_until)
        SELECT i.tenant_id, i.applet_id, i.id, kept, hours, clock_timestamp() + make_interval(hours => hours)
          FROM applet_host.installations AS i WHERE i.id = installation
            ON CONFLICT DO NOTHING;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION applet_host.leave_tables(uuid, text[], integer) FROM PUBLIC;
