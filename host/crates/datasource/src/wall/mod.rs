//! The second wall (SPEC S4.51, Decision 1): what the database itself lets an applet do, whatever the gate
//! may have missed. A login role per applet and grant set with exactly the granted columns, row security on
//! every table with a tenant, and nothing of PUBLIC's conveniences.
//!
//! *Invariant:* an applet's role is never a superuser, owner or BYPASSRLS (but see [`Preparation::bypass`]),
//! is a member of `applet_guest` only, and never holds more than the grants it is named after. Rights are
//! given last: no moment exists in which the role can log in and the policies are missing.
//!
//! What PUBLIC loses, other roles of the database get back by name (`harden.sql`). CONNECT stays with
//! PUBLIC: taking it away would lock out roles that hold nothing here yet, and an applet's role can be
//! used by the host alone.
//!
//! How the tenant comes to the policies depends on who prepares: see [`form`].
//!
//! Start reading at [`prepare`].

pub(crate) mod form;
mod harden;
pub(crate) mod home;
mod names;
pub(crate) mod policies;
mod retire;
mod rights;
mod role;
mod settings;
mod signing;

pub use form::tenant_form;
pub(crate) use harden::{Left, left_to_public};
pub use names::Keys;

use applet_catalog::Catalog;
use applet_types::{AppletId, Grants, Login, SqlName, TenantForm};

use crate::locks::{self, Lock};
use crate::{Admin, Error};

/// The role without privileges that the policies name; every applet role inherits it.
pub const GUEST: &str = "applet_guest";

/// The setting that carries the tenant. Nothing reads it but policies and functions of `applet_host`.
pub const SETTING: &str = "applet.tenant";

/// For what a role is made, and so when it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An approved installation: the role stays until the lifecycle retires it.
    Installation,
    /// A command (`applet sql`): the role goes when a later command for the same applet finds that no
    /// process uses it. A process uses it as long as the [`Admin`] that prepared it is open.
    Command,
}

/// What to prepare a database for.
#[derive(Debug, Clone, Copy)]
pub struct Preparation<'a> {
    /// The applet.
    pub applet: &'a AppletId,
    /// What it may do.
    pub grants: &'a Grants,
    /// The database as it is now.
    pub catalog: &'a Catalog,
    /// The schemas whose tables are guarded; the same as were read into the catalogue.
    pub schemas: &'a [String],
    /// Makes a second role that row security does not bind, to test the gate alone (`--wall gate`).
    pub bypass: bool,
    /// For what.
    pub purpose: Purpose,
}

/// A prepared database.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// How the applet logs in.
    pub login: Login,
    /// From which every login of this database is derived.
    pub keys: Keys,
    /// Granted tables that do not exist or that applets cannot see; nothing was granted on them.
    pub missing: Vec<SqlName>,
}

/// Prepares the database: the host's schema, the guards on every tenant's table, and the role of this
/// grant set with exactly its rights. Doing it again changes nothing; rights beyond the grants are taken
/// away. Safe while other processes prepare the same database or others of the same server.
///
/// # Errors
///
/// [`Error::MissingRight`] for a role that can build neither form of the wall, [`Error::RoleTaken`] when the
/// name of the role stands for other grants, [`Error::Contended`] when locks were not free in time.
pub async fn prepare(admin: &mut Admin, preparation: &Preparation<'_>) -> Result<Prepared, Error> {
    let form = form::choose(admin, preparation.schemas).await?;
    if preparation.bypass
        && let Some(right) = missing_right(admin).await?
    {
        return Err(Error::MissingRight { role: admin.role().to_owned(), right });
    }
    locks::acquire(admin, Lock::Prepare).await?;
    let outcome = prepare_locked(admin, preparation, form).await;
    let released = locks::release(admin, Lock::Prepare).await;
    let prepared = outcome?;
    released.map(|()| prepared)
}

async fn prepare_locked(
    admin: &mut Admin,
    preparation: &Preparation<'_>,
    form: TenantForm,
) -> Result<Prepared, Error> {
    let owned: Vec<String> =
        preparation.grants.own_tables().map(|(_, table)| table.name().as_str().to_owned()).collect();
    let keys = guard_database(admin, preparation.schemas, &owned, form).await?;
    let keys = if preparation.bypass { keys.bypassing() } else { keys };
    let login = keys.login_of(preparation.applet, preparation.grants.digest());
    let missing = role::ensure(admin, preparation, &login, form).await?;
    if preparation.purpose == Purpose::Command {
        retire::idle_commands(admin, &keys, preparation.applet, &login.role).await?;
    }
    Ok(Prepared { login, keys, missing })
}

/// Checks whether the session's role can prepare a database at all, and changes nothing.
///
/// # Errors
///
/// [`Error::MissingRight`] with everything that is missing for either form of the wall.
pub async fn check_rights(admin: &mut Admin, schemas: &[String]) -> Result<(), Error> {
    form::choose(admin, schemas).await.map(drop)
}

/// Prepares a database for no applet in particular: the host's schema, its secret, and the guards on
/// every tenant's table. What `serve` does at start.
///
/// # Errors
///
/// As [`prepare`].
pub async fn prepare_database(admin: &mut Admin, schemas: &[String]) -> Result<Keys, Error> {
    let form = form::choose(admin, schemas).await?;
    locks::acquire(admin, Lock::Prepare).await?;
    let outcome = guard_database(admin, schemas, &[], form).await;
    let released = locks::release(admin, Lock::Prepare).await;
    let keys = outcome?;
    released.map(|()| keys)
}

/// The order is what makes a change of form safe. PUBLIC loses its rights before anything believes a plain
/// setting, and no applet's session lives on from before; until a table's policies follow, they do not
/// understand the setting that is sent, which is an error and shows no row.
async fn guard_database(
    admin: &mut Admin,
    schemas: &[String],
    owned: &[String],
    form: TenantForm,
) -> Result<Keys, Error> {
    let before = form::tenant_form(admin).await?;
    role::ensure_guest(admin, form).await?;
    harden::apply(admin, form).await?;
    // Before the form is written down, so that a process which dies here leaves it to be done.
    if before == Some(TenantForm::Signed) && form == TenantForm::Plain {
        form::end_guests(admin).await?;
    }
    let keys = home::ensure(admin, form).await?;
    policies::guard(admin, schemas, owned, form).await?;
    retire::strangers(admin, &keys).await?;
    role::ensure_auditor(admin, &keys.audit_login(), form).await?;
    role::ensure_watcher(admin, &keys.cache_login(), form).await?;
    role::ensure_keeper(admin, &keys.pool_login(), form).await?;
    Ok(keys)
}

/// Drops the role of a grant set that no installation uses any more. A role that does not exist is fine.
///
/// # Errors
///
/// When the server refuses.
pub async fn retire(admin: &mut Admin, role: &str) -> Result<(), Error> {
    retire::drop_role(admin, role).await
}

/// A login role that was made for installations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationRole {
    /// Its name.
    pub role: String,
    /// The applet it is for.
    pub applet: String,
    /// The digest of its grants.
    pub grants: String,
}

/// The login roles that were made for installations in this database, by name.
///
/// # Errors
///
/// When the server refuses.
pub async fn installation_roles(admin: &mut Admin) -> Result<Vec<InstallationRole>, Error> {
    // The role that writes the audit trail belongs to no applet.
    let sql = "SELECT role::text, applet, grants FROM applet_host.login
               WHERE purpose = 'installation' AND applet <> '' ORDER BY role";
    let rows: Vec<(String, String, String)> = sqlx::query_as(sql)
        .fetch_all(admin.session())
        .await
        .map_err(Error::statement("cannot list roles"))?;
    Ok(rows.into_iter().map(|(role, applet, grants)| InstallationRole { role, applet, grants }).collect())
}

/// What the session's role lacks to build the wall whose tenant setting is plain, in words; `None` when it is
/// a superuser. What `applet sql` asks for, whatever [`prepare`] would do without.
///
/// # Errors
///
/// When the session is broken.
pub async fn missing_right(admin: &mut Admin) -> Result<Option<String>, Error> {
    let sql = "SELECT r.rolsuper, r.rolcreaterole, r.rolbypassrls FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";
    let (superuser, creates_roles, bypasses): (bool, bool, bool) = sqlx::query_as(sql)
        .fetch_one(admin.session())
        .await
        .map_err(Error::statement("cannot read the role's rights"))?;
    if superuser {
        return Ok(None);
    }
    let lacks = [(creates_roles, "CREATEROLE"), (bypasses, "BYPASSRLS")];
    let lacks: Vec<_> = lacks.into_iter().filter(|(has, _)| !has).map(|(_, name)| name).collect();
    let details =
        if lacks.is_empty() { String::new() } else { format!(" (among others {})", lacks.join(" and ")) };
    Ok(Some(format!("SUPERUSER{details}, which revoking built-in functions from PUBLIC needs")))
}
