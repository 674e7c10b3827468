//! Refusing to run applets through a role that no wall binds (SPEC F2).

use applet_types::Login;
use sqlx::AssertSqlSafe;

use crate::{Admin, Error};

#[derive(sqlx::FromRow)]
struct Role {
    name: String,
    superuser: bool,
    bypass: bool,
    powers: Vec<String>,
    groups: Vec<String>,
    owns: Option<String>,
}

const ROLE: &str = "
SELECT r.rolname::text AS name, r.rolsuper AS superuser, r.rolbypassrls AS bypass,
       ARRAY(SELECT p.name FROM (VALUES (r.rolcreaterole, 'CREATEROLE'), (r.rolcreatedb, 'CREATEDB'),
                                        (r.rolreplication, 'REPLICATION')) AS p (has, name) WHERE p.has) AS powers,
       CASE WHEN r.rolsuper THEN '{}' ELSE ARRAY(
           SELECT g.rolname::text FROM pg_catalog.pg_roles g
           WHERE pg_catalog.pg_has_role(r.oid, g.oid, 'MEMBER') AND g.oid <> r.oid AND g.rolname <> 'applet_guest'
           ORDER BY 1) END AS groups,
       (SELECT o.what FROM (
            SELECT 'table ' || c.oid::regclass AS what FROM pg_catalog.pg_class c WHERE c.relowner = r.oid
            UNION ALL SELECT 'schema ' || n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspowner = r.oid
            UNION ALL SELECT 'function ' || p.proname FROM pg_catalog.pg_proc p WHERE p.proowner = r.oid
            UNION ALL SELECT 'database ' || d.datname FROM pg_catalog.pg_database d WHERE d.datdba = r.oid
        ) AS o ORDER BY 1 LIMIT 1) AS owns
FROM pg_catalog.pg_roles r WHERE ";

const OF_SESSION: &str = "r.rolname = session_user";

const OF_INSTALLATIONS: &str = "r.rolname IN (SELECT l.role FROM applet_host.login l WHERE l.purpose = 'installation') ORDER BY r.rolname";

/// Checks the role of this session: it must not be a superuser, bypass row security, own anything, or be
/// a member of anything but `applet_guest`.
///
/// # Errors
///
/// [`Error::UnsafeRole`] naming the first reason.
pub async fn runtime_role(session: &mut Admin) -> Result<(), Error> {
    roles(session, OF_SESSION).await?.iter().try_for_each(Role::refuse)
}

/// Checks the roles of all installations in this database: what a host does before it serves anybody.
///
/// # Errors
///
/// As [`runtime_role`], for the first role that must not run applets.
pub async fn installed_roles(admin: &mut Admin) -> Result<(), Error> {
    roles(admin, OF_INSTALLATIONS).await?.iter().try_for_each(Role::refuse)
}

async fn roles(admin: &mut Admin, which: &str) -> Result<Vec<Role>, Error> {
    sqlx::query_as(AssertSqlSafe(format!("{ROLE}{which}")))
        .fetch_all(admin.session())
        .await
        .map_err(Error::statement("cannot read the rights of roles"))
}

/// Logs in as an applet and checks its role.
///
/// # Errors
///
/// [`Error::LoginRefused`] naming the rule of pg_hba.conf, or as [`runtime_role`].
pub async fn login(admin: &mut Admin, login: &Login) -> Result<(), Error> {
    let mut session = admin.connect_as(login).await?;
    let outcome = runtime_role(&mut session).await;
    let closed = session.close().await;
    outcome.and(closed)
}

impl Role {
    fn refuse(&self) -> Result<(), Error> {
        match self.danger() {
            None => Ok(()),
            Some(because) => Err(Error::UnsafeRole { role: self.name.clone(), because }),
        }
    }

    fn danger(&self) -> Option<String> {
        if self.superuser {
            return Some("it is a superuser".to_owned());
        }
        if self.bypass {
            return Some("it bypasses row security (BYPASSRLS)".to_owned());
        }
        if let Some(power) = self.powers.first() {
            return Some(format!("it has {power}"));
        }
        if let Some(owned) = &self.owns {
            return Some(format!("it owns {owned}, and owners are not bound by policies"));
        }
        self.groups.first().map(|group| format!("it is a member of `{group}`"))
    }
}
