-- Views of other sessions and of counters.
SELECT c.oid::regclass::text AS name, c.relowner AS owner, false AS extension
FROM pg_class c
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'v'
  AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0 AND a.privilege_type = 'SELECT')
  AND (c.relname ~ '^pg_stat(io)?_'
       OR c.relname IN ('pg_locks', 'pg_settings', 'pg_prepared_statements', 'pg_prepared_xacts',
                        'pg_cursors', 'pg_sequences', 'pg_replication_slots'))
ORDER BY c.oid
