//! Dropping login roles that nobody needs any more, and rights of roles that are none of this database's.

use std::collections::BTreeSet;

use applet_types::{AppletId, TenantForm};

use super::Keys;
use super::role::{rights, strip};
use crate::ddl::retrying;
use crate::locks::ROLE_IN_USE;
use crate::sql::{ident, literal};
use crate::{Admin, Error};

/// Roles made for commands of this applet that have no session now.
const IDLE: &str = "
SELECT l.role::text, r.oid::int4
FROM applet_host.login l JOIN pg_catalog.pg_roles r ON r.rolname = l.role
WHERE l.applet = $1 AND l.role <> $2 AND l.purpose = 'command' AND starts_with(l.role::text, $3)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity s WHERE s.usesysid = r.oid)";

/// Drops them, unless the process that made one still lives: it holds the role's lock. The lock on the
/// preparation is held, so that no role is just being made.
pub(super) async fn idle_commands(
    admin: &mut Admin,
    keys: &Keys,
    applet: &AppletId,
    keep: &str,
) -> Result<(), Error> {
    let query = sqlx::query_as(IDLE).bind(applet.as_str()).bind(keep).bind(keys.prefix());
    let roles: Vec<(String, i32)> =
        query.fetch_all(admin.session()).await.map_err(Error::statement("cannot look for unused roles"))?;
    for (role, id) in roles {
        if !admin.flag("SELECT pg_catalog.pg_try_advisory_lock($1, $2)", ROLE_IN_USE, id).await? {
            continue;
        }
        if let Err(error) = drop_role(admin, &role).await {
            tracing::warn!(role, %error, "an unused role stays");
        }
        admin.flag("SELECT pg_catalog.pg_advisory_unlock($1, $2)", ROLE_IN_USE, id).await?;
    }
    Ok(())
}

/// Takes all rights of a role in this database away and drops it.
pub(super) async fn drop_role(admin: &mut Admin, role: &str) -> Result<(), Error> {
    let superuser = super::missing_right(admin).await?.is_none();
    let form = if superuser { TenantForm::Plain } else { TenantForm::Signed };
    retrying!(admin, "a role that is to go", {
        let exists: bool =
            sqlx::query_scalar("SELECT count(*) > 0 FROM pg_catalog.pg_roles WHERE rolname = $1")
                .bind(role)
                .fetch_one(admin.session())
                .await
                .map_err(Error::statement("cannot look for a role"))?;
        let mut statements = vec![format!("DELETE FROM applet_host.login WHERE role = {}", literal(role))];
        if exists {
            let role = ident(role);
            statements.extend(strip(&role, form));
            statements.push(format!("DROP ROLE {role}"));
        }
        admin.transact(&statements, "cannot drop a role").await
    })
}

/// Applet roles of other databases that hold rights in this one: it was made as a copy of a prepared one.
const STRANGERS: &str = "
SELECT DISTINCT r.rolname::text, r.oid::int8
FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid
WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass
  AND d.dbid = (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname = current_database())
  AND r.rolname ~ '^ah_[0-9a-f]{8}_' AND NOT starts_with(r.rolname::text, $1)";

/// Takes away what they hold here; what they are to their own databases stays as it is.
pub(super) async fn strangers(admin: &mut Admin, keys: &Keys) -> Result<(), Error> {
    let doing = "cannot take rights from other databases' roles";
    retrying!(admin, "rights of other databases' roles", {
        let query = sqlx::query_as(STRANGERS).bind(keys.prefix());
        let strangers: Vec<(String, i64)> =
            query.fetch_all(admin.session()).await.map_err(Error::statement(doing))?;
        let mut statements = Vec::new();
        for (role, id) in strangers {
            let held = rights(admin, id).await?;
            let objects: BTreeSet<_> = held
                .iter()
                .filter(|right| right.kind != "DATABASE")
                .filter_map(|right| right.object())
                .collect();
            statements
                .extend(objects.iter().map(|object| format!("REVOKE ALL ON {object} FROM {}", ident(&role))));
            statements.push(format!("DELETE FROM applet_host.login WHERE role = {}", literal(&role)));
        }
        if statements.is_empty() { Ok(()) } else { admin.transact(&statements, doing).await }
    })
}
