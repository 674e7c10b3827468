//! Taking an adoption back: policies, row security and rights as they were.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{POLICIES, begin, exists};
use crate::ddl::{TRIES, backoff};
use crate::locks::{self, Lock};
use crate::sql::ident;
use crate::{Admin, Error};

const DOING: &str = "cannot undo the adoption";

/// What was taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// Tables that applets no longer see.
    pub tables: Vec<String>,
    /// Rights that PUBLIC has again.
    pub public_regained: usize,
    /// Rights by name that are gone again.
    pub taken_back: usize,
}

#[derive(sqlx::FromRow)]
struct Adopted {
    id: i64,
    /// `None` when the table is gone.
    schema: Option<String>,
    name: Option<String>,
    had_row_security: bool,
    before: Vec<String>,
    now: Vec<String>,
}

/// Everything that was guarded and that applets did not make, by `applet sql` as well.
const ADOPTED: &str = "
SELECT d.relation::int8 AS id, n.nspname::text AS schema, c.relname::text AS name, d.had_row_security,
       coalesce(t.policies, '{}') AS before,
       ARRAY(SELECT p.polname::text FROM pg_catalog.pg_policy p WHERE p.polrelid = d.relation) AS now
FROM applet_host.adopted d LEFT JOIN applet_host.adopted_tables t ON t.relation = d.relation
     LEFT JOIN pg_catalog.pg_class c ON c.oid = d.relation LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY d.relation";

#[derive(sqlx::FromRow)]
struct Move {
    taken: bool,
    /// `EXECUTE`, `SELECT (email)`
    privilege: String,
    /// As GRANT names it.
    object: String,
    /// `None` for PUBLIC.
    role: Option<String>,
    grantable: bool,
}

/// Objects and roles that are gone meanwhile are left out.
const MOVES: &str = "
SELECT m.taken, m.grantable, r.rolname::text AS role,
       m.privilege || coalesce(' (' || (SELECT quote_ident(a.attname) FROM pg_catalog.pg_attribute a
                                        WHERE a.attrelid = m.object AND a.attnum = m.sub AND m.sub > 0) || ')', '') AS privilege,
       o.object
FROM applet_host.moved_rights m
     LEFT JOIN pg_catalog.pg_roles r ON r.oid = m.grantee,
     LATERAL (
         SELECT 'ROUTINE ' || p.oid::regprocedure AS object FROM pg_catalog.pg_proc p
         WHERE m.class = 'pg_catalog.pg_proc'::regclass AND p.oid = m.object
         UNION ALL
         SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass FROM pg_catalog.pg_class c
         WHERE m.class = 'pg_catalog.pg_class'::regclass AND c.oid = m.object
           AND (m.sub = 0 OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                     WHERE a.attrelid = c.oid AND a.attnum = m.sub AND NOT a.attisdropped))
         UNION ALL
         SELECT 'SCHEMA ' || n.oid::regnamespace FROM pg_catalog.pg_namespace n
         WHERE m.class = 'pg_catalog.pg_namespace'::regclass AND n.oid = m.object
         UNION ALL
         SELECT 'LANGUAGE ' || quote_ident(l.lanname) FROM pg_catalog.pg_language l
         WHERE m.class = 'pg_catalog.pg_language'::regclass AND l.oid = m.object
         UNION ALL
         SELECT 'DATABASE ' || quote_ident(d.datname) FROM pg_catalog.pg_database d
         WHERE m.class = 'pg_catalog.pg_database'::regclass AND d.oid = m.object
     ) AS o
WHERE m.grantee = 0 OR r.oid IS NOT NULL
ORDER BY m.taken DESC, o.object, role, privilege";

/// Takes every adoption back, in one transaction: what is left is what was there before. Doing it again
/// changes nothing. Whether applets still work with the database is the caller's to know, under the lock for
/// changes of applets' tables.
///
/// # Errors
///
/// [`Error::BuiltUpon`] when a table has got policies since that would no longer be in force,
/// [`Error::Contended`] when tables were never free. Then nothing was changed.
pub async fn undo(admin: &mut Admin, actor: &str) -> Result<Undone, Error> {
    for table in ["adoptions", "adopted_tables", "moved_rights"] {
        if !exists(admin, &format!("applet_host.{table}")).await? {
            return Ok(Undone::default());
        }
    }
    locks::acquire(admin, Lock::Prepare).await?;
    let undone = undo_locked(admin, actor).await;
    let released = locks::release(admin, Lock::Prepare).await;
    let undone = undone?;
    released.map(|()| undone)
}

async fn undo_locked(admin: &mut Admin, actor: &str) -> Result<Undone, Error> {
    for attempt in 0..TRIES {
        begin(admin, attempt).await?;
        let done = take_back(admin, actor).await;
        let ended = admin.run(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }, DOING).await;
        match done {
            Err(error) if error.is_race() => backoff(attempt).await,
            done => return ended.and(done),
        }
    }
    Err(Error::Contended { what: "a table that was adopted", tries: TRIES })
}

async fn take_back(admin: &mut Admin, actor: &str) -> Result<Undone, Error> {
    let own = own_tables(admin).await?;
    let adopted: Vec<Adopted> =
        sqlx::query_as(ADOPTED).fetch_all(admin.session()).await.map_err(Error::statement(DOING))?;
    let mut undone = Undone::default();
    for table in adopted.into_iter().filter(|table| !own.contains(&table.id)) {
        undone.tables.extend(table.take_back(admin).await?);
    }
    let moves: Vec<Move> =
        sqlx::query_as(MOVES).fetch_all(admin.session()).await.map_err(Error::statement(DOING))?;
    for moved in &moves {
        admin.run(moved.back(), DOING).await?;
    }
    undone.public_regained = moves.iter().filter(|moved| moved.taken).count();
    undone.taken_back = moves.len() - undone.public_regained;
    admin.run("DELETE FROM applet_host.moved_rights", DOING).await?;
    let sql = "UPDATE applet_host.adoptions SET undone_at = clock_timestamp(), undone_by = $1 WHERE undone_at IS NULL";
    sqlx::query(sql).bind(actor).execute(admin.session()).await.map_err(Error::statement(DOING))?;
    Ok(undone)
}

async fn own_tables(admin: &mut Admin) -> Result<BTreeSet<i64>, Error> {
    if !exists(admin, "applet_host.own_tables").await? {
        return Ok(BTreeSet::new());
    }
    let sql = "SELECT c.oid::int8 FROM applet_host.own_tables o
               JOIN pg_catalog.pg_class c ON c.relname IN (o.physical_name, '_deleted_' || o.physical_name)";
    let found: Vec<i64> =
        sqlx::query_scalar(sql).fetch_all(admin.session()).await.map_err(Error::statement(DOING))?;
    Ok(found.into_iter().collect())
}

impl Adopted {
    async fn take_back(self, admin: &mut Admin) -> Result<Option<String>, Error> {
        let forget = ["adopted_tables", "adopted"]
            .map(|memory| format!("DELETE FROM applet_host.{memory} WHERE relation = {}", self.id));
        let mut statements = Vec::new();
        let name = match (&self.schema, &self.name) {
            (Some(schema), Some(name)) => {
                let table = format!("{}.{}", ident(schema), ident(name));
                if !self.had_row_security
                    && let Some(since) = self
                        .now
                        .iter()
                        .find(|policy| !POLICIES.contains(&policy.as_str()) && !self.before.contains(policy))
                {
                    return Err(Error::BuiltUpon(format!(
                        "table `{name}` has got a policy `{since}` since it was adopted, which would no longer be in \
                         force: drop it first"
                    )));
                }
                statements
                    .extend(POLICIES.map(|policy| format!("DROP POLICY IF EXISTS {policy} ON {table}")));
                if !self.had_row_security {
                    statements.push(format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"));
                }
                Some(format!("{schema}.{name}"))
            }
            _ => None,
        };
        for statement in statements.into_iter().chain(forget) {
            admin.run(statement, DOING).await?;
        }
        Ok(name)
    }
}

impl Move {
    /// The statement that moves it back.
    fn back(&self) -> String {
        let Self { privilege, object, .. } = self;
        let role = self.role.as_deref().map_or_else(|| "PUBLIC".to_owned(), ident);
        if self.taken {
            let option = if self.grantable { " WITH GRANT OPTION" } else { "" };
            format!("GRANT {privilege} ON {object} TO {role}{option}")
        } else {
            format!("REVOKE {privilege} ON {object} FROM {role}")
        }
    }
}
