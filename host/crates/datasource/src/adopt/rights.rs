//! What rights stand in a database, and what was moved from PUBLIC to names.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Admin, Error};

/// One right of one grantee, as lists of privileges have it; those that are there by default count.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Right {
    class: i64,
    object: i64,
    sub: i32,
    grantee: i64,
    privilege: String,
    grantable: bool,
    /// For people: `EXECUTE on pg_sleep(double precision)`.
    label: String,
    /// Empty for PUBLIC.
    role: String,
}

/// Applets' roles come and go with installations, and what is the host's own is nobody else's.
const HELD: &str = "
SELECT x.class::int8 AS class, x.object::int8 AS object, x.sub, a.grantee::int8 AS grantee,
       a.privilege_type AS privilege, a.is_grantable AS grantable,
       a.privilege_type || x.of || ' on ' || x.label AS label,
       coalesce((SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.oid = a.grantee), '') AS role
FROM (
    SELECT 'pg_catalog.pg_proc'::regclass::oid AS class, p.oid AS object, 0 AS sub, p.pronamespace AS home,
           'routine ' || p.oid::regprocedure AS label, '' AS of,
           coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
    FROM pg_catalog.pg_proc p
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, c.oid, 0, c.relnamespace,
           CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || c.oid::regclass, '',
           coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END, c.relowner))
    FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, c.oid, t.attnum, c.relnamespace, 'table ' || c.oid::regclass,
           ' (' || quote_ident(t.attname) || ')', t.attacl
    FROM pg_catalog.pg_attribute t JOIN pg_catalog.pg_class c ON c.oid = t.attrelid
    WHERE t.attacl IS NOT NULL AND NOT t.attisdropped
    UNION ALL
    SELECT 'pg_catalog.pg_namespace'::regclass, n.oid, 0, n.oid, 'schema ' || n.oid::regnamespace, '',
           coalesce(n.nspacl, acldefault('n', n.nspowner))
    FROM pg_catalog.pg_namespace n
    UNION ALL
    SELECT 'pg_catalog.pg_language'::regclass, l.oid, 0, 0, 'language ' || quote_ident(l.lanname), '',
           coalesce(l.lanacl, acldefault('l', l.lanowner))
    FROM pg_catalog.pg_language l
    UNION ALL
    SELECT 'pg_catalog.pg_database'::regclass, d.oid, 0, 0, 'database ' || quote_ident(d.datname), '',
           coalesce(d.datacl, acldefault('d', d.datdba))
    FROM pg_catalog.pg_database d WHERE d.datname = current_database()
) AS x (class, object, sub, home, label, of, acl), LATERAL aclexplode(x.acl) a
WHERE x.home IS DISTINCT FROM to_regnamespace('applet_host')::oid
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r
                  WHERE r.oid = a.grantee AND r.rolname ~ '^(ah_[0-9a-f]{8}_|applet_guest$)')";

/// Where it is written down. Whoever runs it knows that the schema is the host's own.
pub(super) const MEMORY: &str = include_str!("../wall/moved_rights.sql");

/// What makes a right that right; how it reads does not.
type Key = (i64, i64, i32, i64, String, bool);

/// Every right on everything in the database.
pub(super) struct Held(BTreeMap<Key, Right>);

/// Rights that somebody had and has no more, and the other way round.
pub(super) struct Moved {
    taken: Vec<Right>,
    given: Vec<Right>,
}

impl Right {
    fn key(&self) -> Key {
        let Self { class, object, sub, grantee, privilege, grantable, .. } = self;
        (*class, *object, *sub, *grantee, privilege.clone(), *grantable)
    }
}

impl Held {
    pub(super) async fn read(admin: &mut Admin) -> Result<Self, Error> {
        let rights: Vec<Right> = sqlx::query_as(HELD)
            .fetch_all(admin.session())
            .await
            .map_err(Error::statement("cannot read the rights"))?;
        Ok(Self(rights.into_iter().map(|right| (right.key(), right)).collect()))
    }

    pub(super) fn since(&self, before: &Self) -> Moved {
        Moved { taken: before.without(self), given: self.without(before) }
    }

    fn without(&self, other: &Self) -> Vec<Right> {
        let missing = self.0.iter().filter(|(key, _)| !other.0.contains_key(*key));
        missing.map(|(_, right)| right.clone()).collect()
    }
}

impl Moved {
    /// What PUBLIC loses, and what each role gets.
    pub(super) fn in_words(&self) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
        let labels = |rights: &[Right]| -> BTreeSet<(String, String)> {
            rights.iter().map(|right| (right.role.clone(), right.label.clone())).collect()
        };
        let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (role, label) in labels(&self.given) {
            given.entry(role).or_default().push(label);
        }
        (labels(&self.taken).into_iter().map(|(_, label)| label).collect(), given)
    }

    /// Writes down what was moved. What was moved before, and came back on other ways, counts once.
    pub(super) async fn remember(&self, admin: &mut Admin) -> Result<(), Error> {
        let taken = self.taken.iter().map(|right| (right, true));
        let rights: Vec<(&Right, bool)> =
            taken.chain(self.given.iter().map(|right| (right, false))).collect();
        let column =
            |of: fn(&Right) -> i64| -> Vec<i64> { rights.iter().map(|(right, _)| of(right)).collect() };
        let subs: Vec<i32> = rights.iter().map(|(right, _)| right.sub).collect();
        let privileges: Vec<&str> = rights.iter().map(|(right, _)| right.privilege.as_str()).collect();
        let grantable: Vec<bool> = rights.iter().map(|(right, _)| right.grantable).collect();
        let taken: Vec<bool> = rights.iter().map(|(_, taken)| *taken).collect();
        let sql = "INSERT INTO applet_host.moved_rights (class, object, sub, grantee, privilege, grantable, taken)
                   SELECT class::oid, object::oid, sub, grantee::oid, privilege, grantable, taken
                   FROM unnest($1::int8[], $2::int8[], $3::int4[], $4::int8[], $5::text[], $6::bool[], $7::bool[])
                     AS m (class, object, sub, grantee, privilege, grantable, taken)
                   ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(column(|right| right.class))
            .bind(column(|right| right.object))
            .bind(subs)
            .bind(column(|right| right.grantee))
            .bind(privileges)
            .bind(grantable)
            .bind(taken)
            .execute(admin.session())
            .await
            .map(drop)
            .map_err(Error::statement("cannot write down which rights were moved"))
    }
}

/// Runs a script that moves rights, and writes down which.
pub(crate) async fn move_rights(admin: &mut Admin, script: &str) -> Result<(), Error> {
    let doing = "cannot take rights from PUBLIC";
    let settings = "SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = 0";
    admin.run(format!("BEGIN; {settings}; SET LOCAL search_path = pg_catalog"), doing).await?;
    let moved = moving(admin, script, doing).await;
    let ended = admin.run(if moved.is_ok() { "COMMIT" } else { "ROLLBACK" }, doing).await;
    moved.and(ended)
}

async fn moving(admin: &mut Admin, script: &str, doing: &str) -> Result<(), Error> {
    admin.run(MEMORY, doing).await?;
    let before = Held::read(admin).await?;
    admin.run(script, doing).await?;
    Held::read(admin).await?.since(&before).remember(admin).await
}
