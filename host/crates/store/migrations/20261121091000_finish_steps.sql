-- Marks a step done, in the same transaction as its effect.
CREATE FUNCTION applet_host.finish_step(operation uuid, held bigint, step integer, outcome jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM applet_host.fence(operation, held);
    UPDATE applet_host.operation_steps AS s
       SET done_at = clock_timestamp(), result = outcome
     WHERE s.operation_id = operation AND s.ordinal = step;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the step was not announced' USING ERRCODE = 'AH003';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION applet_host.finish_step(uuid, bigint, integer, jsonb) FROM PUBLIC;
