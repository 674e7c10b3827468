-- Whether rows may be purged now, and by whoever asks: by this database's clock, a day of grace after their
-- deadline, and by one host at a time. The claim ends with the transaction.
CREATE FUNCTION applet_host.claim_retention(retention uuid) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM applet_host.retentions AS r
      WHERE r.id = retention AND r.ended_at IS NULL
        AND r.keep_until + make_interval(hours => 24) <= clock_timestamp()
        FOR UPDATE SKIP LOCKED;
    RETURN FOUND;
END
$$;
REVOKE ALL ON FUNCTION applet_host.claim_retention(uuid) FROM PUBLIC;
