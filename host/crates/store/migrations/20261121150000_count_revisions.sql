-- Counts the changes of installations, so that a host learns with one small query that something changed,
-- instead of looking every installation up again and again. The count moves when the change commits: a
-- sequence would move before, and a host that looked in between would keep what is no longer true.
-- Deferred, so that the row is locked for the moment of the commit and not for the whole of a long step.
CREATE TABLE applet_host.revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    value    bigint NOT NULL
);
INSERT INTO applet_host.revision (value) VALUES (0);

CREATE FUNCTION applet_host.count_revision() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE applet_host.revision SET value = value + 1;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION applet_host.count_revision() FROM PUBLIC;

CREATE CONSTRAINT TRIGGER installations_count_revision
    AFTER INSERT OR UPDATE OR DELETE ON applet_host.installations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION applet_host.count_revision();
