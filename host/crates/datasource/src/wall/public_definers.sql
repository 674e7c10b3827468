-- SECURITY DEFINER functions run with their owner's rights, past every wall; dblink opens sessions. Those
-- that a default, a check or a policy calls have to stay callable by whoever writes the row.
SELECT p.oid::regprocedure::text AS name, p.proowner AS owner,
       EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid
                 AND e.deptype = 'e') AS extension
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'applet_host')
  AND (p.prosecdef OR p.proname ~ '^dblink')
  AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
                    AND d.classid IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_policy'::regclass))
ORDER BY p.oid
