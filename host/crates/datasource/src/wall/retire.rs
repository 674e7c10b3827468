//! Dropping login roles that nobody needs any more.

use applet_types::AppletId;

use crate::ddl::retrying;
use crate::locks::ROLE_IN_USE;
use crate::sql::{ident, literal};
use crate::{Admin, Error};

/// Roles made for commands of this applet whose makers have all gone: nobody holds their lock and no
/// session is theirs. The lock is left held by us, so that nobody takes the role up while it is dropped.
const IDLE: &str = "
SELECT l.role::text
FROM applet_host.login l JOIN pg_catalog.pg_roles r ON r.rolname = l.role
WHERE l.applet = $1 AND l.role <> $2 AND l.purpose = 'command'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity s WHERE s.usesysid = r.oid)
  AND pg_catalog.pg_try_advisory_lock($3, r.oid::int4)";

/// Drops them. The lock on the preparation is held, so that no role is just being made.
pub(super) async fn idle_commands(admin: &mut Admin, applet: &AppletId, keep: &str) -> Result<(), Error> {
    let query = sqlx::query_scalar(IDLE).bind(applet.as_str()).bind(keep).bind(ROLE_IN_USE);
    let roles: Vec<String> =
        query.fetch_all(admin.session()).await.map_err(Error::statement("cannot look for unused roles"))?;
    for role in roles {
        if let Err(error) = drop_role(admin, &role).await {
            tracing::warn!(role, %error, "an unused role stays");
        }
    }
    Ok(())
}

/// Takes all rights of a role in this database away and drops it.
pub(super) async fn drop_role(admin: &mut Admin, role: &str) -> Result<(), Error> {
    retrying(admin, "a role that is to go", async |admin: &mut Admin| {
        let exists: bool =
            sqlx::query_scalar("SELECT count(*) > 0 FROM pg_catalog.pg_roles WHERE rolname = $1")
                .bind(role)
                .fetch_one(admin.session())
                .await
                .map_err(Error::statement("cannot look for a role"))?;
        let mut statements = vec![format!("DELETE FROM applet_host.login WHERE role = {}", literal(role))];
        if exists {
            let role = ident(role);
            statements.push(format!("REASSIGN OWNED BY {role} TO CURRENT_USER"));
            statements.push(format!("DROP OWNED BY {role}"));
            statements.push(format!("DROP ROLE {role}"));
        }
        admin.transact(&statements, "cannot drop a role").await
    })
    .await
}
