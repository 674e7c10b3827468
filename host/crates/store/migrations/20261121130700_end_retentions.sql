-- The rows of a claimed retention are gone. With them goes what could be restored: whoever installs the
-- applet again begins anew.
CREATE FUNCTION applet_host.end_retention(retention uuid, deleted bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE applet_host.retentions AS r SET ended_at = clock_timestamp(), outcome = 'purged', rows = deleted
     WHERE r.id = retention AND r.ended_at IS NULL;
    UPDATE applet_host.installations AS i SET grants = NULL, generation = i.generation + 1
      FROM applet_host.retentions AS r
     WHERE r.id = retention AND i.tenant_id = r.tenant_id AND i.applet_id = r.applet_id
       AND i.state ->> 'state' = 'retired' AND i.grants IS NOT NULL;
END
$$;
REVOKE ALL ON FUNCTION applet_host.end_retention(uuid, bigint) FROM PUBLIC;
