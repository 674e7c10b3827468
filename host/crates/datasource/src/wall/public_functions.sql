-- Functions that change the session, reach other sessions, run SQL text, sleep, lock, count other tenants'
-- rows, or write where no grant is asked.
SELECT p.oid::regprocedure::text AS name, p.proowner AS owner, false AS extension
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
  AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
              WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')
  AND (p.proname IN ('set_config', 'pg_notify', 'ts_stat', 'setval', 'currval', 'lastval', 'currtid2',
           'pg_cancel_backend', 'pg_terminate_backend', 'pg_export_snapshot', 'pg_show_all_settings',
           'pg_lock_status', 'pg_prepared_statement', 'pg_prepared_xact', 'pg_cursor', 'pg_backend_pid',
           'pg_blocking_pids', 'pg_safe_snapshot_blocking_pids', 'pg_sequence_last_value',
           'pg_logical_emit_message')
       OR p.proname ~ '^(txid_|pg_current_(xact|snapshot|wal)|pg_last_|pg_snapshot_|pg_walfile)'
       OR (p.proname = 'ts_rewrite' AND p.pronargs = 2)
       OR p.proname ~ '^(query|table|schema|database|cursor)_to_xml'
       OR p.proname ~ '^pg_(try_)?advisory_' OR p.proname ~ '^pg_sleep'
       OR p.proname ~ '^(lo_|loread$|lowrite$)' OR p.proname ~ '^pg_stat_get_'
       OR p.proname ~ '^pg_(table|relation|total_relation|indexes|database|tablespace)_size$'
       OR p.proname ~ '^pg_(ls_|read_|stat_file|logical_|replication_|create_|switch_|wal_|backup_|rotate_|reload_|promote|import_|current_logfile)')
ORDER BY p.oid
