-- Whatever PUBLIC holds on tables, views, sequences, schemas, languages and the database itself. Languages come
-- with extensions.
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass AS object,
       string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS rights, c.relowner AS owner,
       EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
                 AND e.deptype = 'e') AS extension
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee = 0
GROUP BY c.oid, c.relkind, c.relowner
UNION ALL
SELECT 'TABLE ' || t.attrelid::regclass,
       string_agg(a.privilege_type || ' (' || quote_ident(t.attname) || ')', ', '), c.relowner,
       EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
                 AND e.deptype = 'e')
FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(t.attacl) a
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee = 0
GROUP BY t.attrelid, c.oid, c.relowner
UNION ALL
SELECT 'SCHEMA ' || n.oid::regnamespace, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),
       n.nspowner,
       EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid
                 AND e.deptype = 'e')
FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee = 0
  AND (n.nspname <> 'public' OR a.privilege_type = 'CREATE')
GROUP BY n.oid, n.nspowner
UNION ALL
SELECT 'LANGUAGE ' || quote_ident(l.lanname), 'USAGE', l.lanowner, true
FROM pg_language l, aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a
WHERE l.lanpltrusted AND l.lanname <> 'sql' AND a.grantee = 0
UNION ALL
SELECT 'DATABASE ' || quote_ident(b.datname), string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),
       b.datdba, false
FROM pg_database b, aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) a
WHERE b.datname = current_database() AND a.grantee = 0 AND a.privilege_type <> 'CONNECT'
GROUP BY b.datname, b.datdba
