-- Takes from PUBLIC what an SQL text that slipped past the gate must still not be able to use, and gives
-- the same back to every other role that has a footprint in this database (owns something here, or stands
-- in a list of privileges), so that nobody who works here today is cut off. Applet roles get nothing back.
-- Only what PUBLIC still has is touched: a second run changes nothing. CONNECT stays with PUBLIC.
-- Runs inside a transaction, as an administrator: what belongs to somebody whose rights he does not have is
-- left alone. A superuser has everybody's. What stands in braces is one of the queries beside this file.

SET LOCAL search_path = pg_catalog;
DO $harden$
DECLARE
    holders  text;
    watchers text;
    found    text;
    item     record;
BEGIN
    SELECT string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) INTO holders
    FROM pg_roles r
    WHERE NOT r.rolsuper AND r.rolname <> 'applet_guest' AND r.rolname !~ '^(ah_[0-9a-f]{8}_|pg_)'
      AND EXISTS (
          SELECT FROM pg_shdepend d JOIN pg_database b ON b.datname = current_database()
          WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid
            AND (d.dbid = b.oid OR (d.classid = 'pg_database'::regclass AND d.objid = b.oid)));
    watchers := concat_ws(', ', holders, 'pg_monitor', 'pg_signal_backend');

    SELECT string_agg(q.name, ', ') INTO found FROM ({public_functions}) AS q
    WHERE pg_has_role(q.owner, 'USAGE');
    IF found IS NOT NULL THEN
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', found, watchers);
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', found);
    END IF;

    SELECT string_agg(q.name, ', ') INTO found FROM ({public_views}) AS q
    WHERE pg_has_role(q.owner, 'USAGE');
    IF found IS NOT NULL THEN
        EXECUTE format('GRANT SELECT ON %s TO %s', found, watchers);
        EXECUTE format('REVOKE SELECT ON %s FROM PUBLIC', found);
    END IF;

    SELECT string_agg(q.name, ', ') INTO found FROM ({public_definers}) AS q
    WHERE pg_has_role(q.owner, 'USAGE');
    IF found IS NOT NULL THEN
        IF holders IS NOT NULL THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', found, holders);
        END IF;
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', found);
    END IF;

    FOR item IN SELECT * FROM ({public_rights}) AS q WHERE pg_has_role(q.owner, 'USAGE') LOOP
        IF holders IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %s TO %s', item.rights, item.object, holders);
        END IF;
        EXECUTE format('REVOKE %s ON %s FROM PUBLIC', item.rights, item.object);
    END LOOP;
END
$harden$;
