//! Which form of the second wall a database has, and which one an administrator can build (SPEC Decision 1).
//!
//! A superuser takes from PUBLIC what sets the tenant: the setting is plain. Anybody else cannot touch the
//! functions of `pg_catalog`: the setting is signed, and everything else that an applet must not have is taken
//! away as far as it belongs to the administrator. Who can do neither is refused, with what is missing.
//!
//! The form stands in the comment of schema `applet_host`: everybody can read it, only the schema's owner can
//! change it, and it changes in one transaction with the functions that go by it.

use applet_types::TenantForm;

use crate::{Admin, Error};

/// How the comment on schema `applet_host` begins.
pub(super) const MARK: &str = "applet host, second wall ";

/// The same where the setting is signed.
pub(super) const SIGNED_MARK: &str = "applet host, second wall with signed tenants ";

/// SQL: whether the tenant's setting is signed in this database.
macro_rules! tenant_is_signed {
    () => {
        "coalesce(starts_with(obj_description(to_regnamespace('applet_host')::oid, 'pg_namespace'),
                              'applet host, second wall with signed tenants '), false)"
    };
}
pub(crate) use tenant_is_signed;

const STANDING: &str = concat!(
    "SELECT obj_description(to_regnamespace('applet_host')::oid, 'pg_namespace') IS NOT NULL, ",
    tenant_is_signed!()
);

/// The form that stands; `None` when the database was never prepared.
///
/// # Errors
///
/// When the session is broken.
pub async fn tenant_form(admin: &mut Admin) -> Result<Option<TenantForm>, Error> {
    let (prepared, signed): (bool, bool) =
        sqlx::query_as(STANDING).fetch_one(admin.session()).await.map_err(failed())?;
    let form = if signed { TenantForm::Signed } else { TenantForm::Plain };
    Ok(prepared.then_some(form))
}

/// What somebody who is no superuser needs, a line for each thing that is missing. Ownership is what ALTER and
/// GRANT ask for, so membership in the owner counts; the host's own schema has to be the role's own, because
/// its functions run with their owner's rights.
const MISSING: &str = "
WITH me AS (SELECT r.oid, r.rolcreaterole FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
SELECT 1, 'CREATEROLE' FROM me WHERE NOT me.rolcreaterole
UNION ALL
SELECT 2, format('ownership of database `%s`', d.datname) FROM pg_catalog.pg_database d
WHERE d.datname = current_database() AND NOT pg_has_role(d.datdba, 'USAGE')
UNION ALL
SELECT 3, format('ownership of schema `%s`', n.nspname) FROM pg_catalog.pg_namespace n, me
WHERE n.nspname = 'applet_host' AND n.nspowner <> me.oid
   OR n.nspname = ANY ($1) AND NOT pg_has_role(n.nspowner, 'USAGE')
UNION ALL
(SELECT 4, format('ownership of `applet_host.%s`', o.name)
 FROM me, (SELECT c.relname AS name, c.relnamespace AS space, c.relowner AS owner FROM pg_catalog.pg_class c
           UNION ALL SELECT p.proname, p.pronamespace, p.proowner FROM pg_catalog.pg_proc p) AS o
 WHERE o.space = to_regnamespace('applet_host') AND o.owner <> me.oid ORDER BY 2 LIMIT 1)
UNION ALL
SELECT 5, format('ownership of table `%s.%s`', n.nspname, c.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped AND t.atttypid = 'uuid'::regtype
                        AND t.attname = CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END
WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE')
UNION ALL
SELECT 6, format('EXECUTE on function `%s`', f.name)
FROM (VALUES ('pg_backend_pid()'), ('pg_terminate_backend(integer,bigint)')) AS f (name)
WHERE NOT has_function_privilege('pg_catalog.' || f.name, 'EXECUTE')
UNION ALL
SELECT 6, 'membership in role `pg_signal_backend`' WHERE NOT pg_has_role('pg_signal_backend', 'USAGE')
UNION ALL
SELECT 7, 'the ADMIN option on role `applet_guest`' FROM pg_catalog.pg_roles g
WHERE g.rolname = 'applet_guest' AND current_setting('server_version_num')::int4 >= 160000
  AND NOT pg_has_role(g.oid, 'USAGE WITH ADMIN OPTION')
ORDER BY 1, 2";

/// Decides which form this administrator gives the database.
///
/// # Errors
///
/// [`Error::MissingRight`] with everything that is missing for either form.
pub(super) async fn choose(admin: &mut Admin, schemas: &[String]) -> Result<TenantForm, Error> {
    if super::missing_right(admin).await?.is_none() {
        return Ok(TenantForm::Plain);
    }
    let missing: Vec<(i32, String)> =
        sqlx::query_as(MISSING).bind(schemas).fetch_all(admin.session()).await.map_err(failed())?;
    if missing.is_empty() {
        return Ok(TenantForm::Signed);
    }
    let missing: Vec<_> = missing.into_iter().map(|(_, right)| right).collect();
    let right = format!("SUPERUSER, or else {}", missing.join(", "));
    Err(Error::MissingRight { role: admin.role().to_owned(), right })
}

/// Sessions of applets, but for those that were opened after this moment.
const GUESTS: &str = "
SELECT count(pg_catalog.pg_terminate_backend(s.pid))
FROM pg_catalog.pg_stat_activity s JOIN pg_catalog.pg_auth_members m ON m.member = s.usesysid
     JOIN pg_catalog.pg_roles g ON g.oid = m.roleid AND g.rolname = 'applet_guest'
WHERE s.datname = current_database() AND s.backend_start < $1::timestamptz";

/// How often it is asked whether they are gone.
const TRIES: u32 = 200;

/// Ends all sessions of applets. Before policies believe the plain setting, no session may live that could
/// have set it itself; PUBLIC has lost the function by now, so later ones cannot.
pub(super) async fn end_guests(admin: &mut Admin) -> Result<(), Error> {
    let now: String = sqlx::query_scalar("SELECT clock_timestamp()::text")
        .fetch_one(admin.session())
        .await
        .map_err(failed())?;
    for _ in 0..TRIES {
        let left: i64 =
            sqlx::query_scalar(GUESTS).bind(&now).fetch_one(admin.session()).await.map_err(failed())?;
        if left == 0 {
            return Ok(());
        }
        crate::locks::pause(10..50).await;
    }
    Err(Error::Contended { what: "a session of an applet that has to end", tries: TRIES })
}

fn failed() -> impl FnOnce(sqlx::Error) -> Error {
    Error::statement("cannot read which form of the second wall there is")
}
