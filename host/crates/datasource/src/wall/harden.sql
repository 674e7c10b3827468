-- Takes from PUBLIC what an SQL text that slipped past the gate must still not be able to use, and gives
-- the same back to every other role that has a footprint in this database (owns something here, or stands
-- in a list of privileges), so that nobody who works here today is cut off. Applet roles get nothing back.
-- Only what PUBLIC still has is touched: a second run changes nothing. CONNECT stays with PUBLIC.
-- Runs inside a transaction, as a superuser.

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

    -- Functions that change the session, reach other sessions, run SQL text, sleep, lock, count other
    -- tenants' rows, or write where no grant is asked.
    SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid) INTO found
    FROM pg_proc p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace
      AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                  WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')
      AND (p.proname IN ('set_config', 'pg_notify', 'ts_stat', 'setval', 'currval', 'lastval', 'currtid2',
               'pg_cancel_backend', 'pg_terminate_backend', 'pg_export_snapshot', 'pg_show_all_settings',
               'pg_lock_status', 'pg_prepared_statement', 'pg_prepared_xact', 'pg_cursor', 'pg_backend_pid',
               'pg_blocking_pids', 'pg_safe_snapshot_blocking_pids', 'pg_sequence_last_value',
               'pg_logical_emit_message', 'txid_current', 'pg_current_xact_id')
           OR (p.proname = 'ts_rewrite' AND p.pronargs = 2)
           OR p.proname ~ '^(query|table|schema|database|cursor)_to_xml'
           OR p.proname ~ '^pg_(try_)?advisory_' OR p.proname ~ '^pg_sleep'
           OR p.proname ~ '^(lo_|loread$|lowrite$)' OR p.proname ~ '^pg_stat_get_'
           OR p.proname ~ '^pg_(table|relation|total_relation|indexes|database|tablespace)_size$'
           OR p.proname ~ '^pg_(ls_|read_|stat_file|logical_|replication_|create_|switch_|wal_|backup_|rotate_|reload_|promote|import_|current_logfile)');
    IF found IS NOT NULL THEN
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', found, watchers);
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', found);
    END IF;

    -- Views of other sessions and of counters.
    SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid) INTO found
    FROM pg_class c
    WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'v'
      AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0 AND a.privilege_type = 'SELECT')
      AND (c.relname ~ '^pg_stat(io)?_'
           OR c.relname IN ('pg_locks', 'pg_settings', 'pg_prepared_statements', 'pg_prepared_xacts',
                            'pg_cursors', 'pg_sequences', 'pg_replication_slots'));
    IF found IS NOT NULL THEN
        EXECUTE format('GRANT SELECT ON %s TO %s', found, watchers);
        EXECUTE format('REVOKE SELECT ON %s FROM PUBLIC', found);
    END IF;

    -- SECURITY DEFINER functions run with their owner's rights, past every wall; dblink opens sessions.
    -- Those that a default, a check or a policy calls have to stay callable by whoever writes the row.
    SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid) INTO found
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'applet_host')
      AND (p.prosecdef OR p.proname ~ '^dblink')
      AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
                        AND d.classid IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_policy'::regclass));
    IF found IS NOT NULL THEN
        IF holders IS NOT NULL THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', found, holders);
        END IF;
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', found);
    END IF;

    -- Whatever PUBLIC holds on tables, views, sequences, schemas, languages and the database itself.
    FOR item IN
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass AS object,
               string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS rights
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee = 0
        GROUP BY c.oid, c.relkind
        UNION ALL
        SELECT 'TABLE ' || t.attrelid::regclass,
               string_agg(a.privilege_type || ' (' || quote_ident(t.attname) || ')', ', ')
        FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(t.attacl) a
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee = 0
        GROUP BY t.attrelid
        UNION ALL
        SELECT 'SCHEMA ' || n.oid::regnamespace, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
        FROM pg_namespace n, aclexplode(n.nspacl) a
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee = 0
          AND (n.nspname <> 'public' OR a.privilege_type = 'CREATE')
        GROUP BY n.oid
        UNION ALL
        SELECT 'LANGUAGE ' || quote_ident(l.lanname), 'USAGE'
        FROM pg_language l, aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a
        WHERE l.lanpltrusted AND l.lanname <> 'sql' AND a.grantee = 0
        UNION ALL
        SELECT 'DATABASE ' || quote_ident(b.datname), string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
        FROM pg_database b, aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) a
        WHERE b.datname = current_database() AND a.grantee = 0 AND a.privilege_type <> 'CONNECT'
        GROUP BY b.datname
    LOOP
        IF holders IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %s TO %s', item.rights, item.object, holders);
        END IF;
        EXECUTE format('REVOKE %s ON %s FROM PUBLIC', item.rights, item.object);
    END LOOP;
END
$harden$;
