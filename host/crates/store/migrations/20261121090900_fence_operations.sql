-- Passes only for the current holder of a running operation, and extends its lease. Called first in
-- every transaction that works for an operation, whoever's connection it runs on: the row lock makes a
-- takeover wait for the transaction, and the transaction of a holder that was replaced fail.
CREATE FUNCTION applet_host.fence(operation uuid, held bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE applet_host.operations AS o
       SET lease_until = clock_timestamp() + interval '60 seconds'
     WHERE o.id = operation AND o.token = held AND o.state = 'running';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the operation is held by another host' USING ERRCODE = 'AH001';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION applet_host.fence(uuid, bigint) FROM PUBLIC;
