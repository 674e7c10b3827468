-- An installation has its tables again, and with them what its tenant left there. Waits for a purge that is
-- just deleting the same rows, and runs in the transaction that makes or renames the tables.
CREATE FUNCTION applet_host.return_to_tables(installation uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE applet_host.retentions AS r SET ended_at = clock_timestamp(), outcome = 'restored'
      FROM applet_host.installations AS i
     WHERE i.id = installation AND r.tenant_id = i.tenant_id AND r.applet_id = i.applet_id
       AND r.ended_at IS NULL;
    UPDATE applet_host.installations AS i SET left_at = NULL WHERE i.id = installation;
END
$$;
REVOKE ALL ON FUNCTION applet_host.return_to_tables(uuid) FROM PUBLIC;
