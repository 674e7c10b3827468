//! Row security on tenants' tables: our two policies, and the one that keeps other roles working.
//!
//! `tenant_rows` (permissive) lets a tenant's rows through to applets; `tenant_wall` (restrictive) says the
//! same once more, so that no other permissive policy, present or future, can widen what applets see.
//! `other_roles` gives everybody who had rights on the table before row security was on all rows as before.
//! `host_rows` gives the owner of a table all rows where row security is forced on it and it is no superuser.
//!
//! *Invariant:* a policy on a table whose row security was not ours to switch on is never added for
//! anyone but `applet_guest`, apart from its owner where we forced it.

use applet_types::TenantForm;

use crate::ddl::retrying;
use crate::sql::{ident, idents};
use crate::{Admin, Error};

use super::form::tenant_is_signed;
use super::{GUEST, SETTING};

/// SQL: whether both policies stand on relation `c` exactly as we write them for the form that stands. With
/// nothing but `pg_catalog` on the search path, so that the function is printed with its schema.
macro_rules! sound_policies {
    () => {
        concat!(
            "(SELECT count(*) = 2
          FROM pg_catalog.pg_policy p
          WHERE p.polrelid = c.oid AND p.polcmd = '*'
            AND p.polroles = ARRAY(SELECT g.oid FROM pg_catalog.pg_roles g WHERE g.rolname = 'applet_guest')
            AND (p.polname, p.polpermissive) IN (('tenant_rows', true), ('tenant_wall', false))
            AND regexp_replace(pg_get_expr(p.polqual, p.polrelid), '[[:space:]\"]', '', 'g')
              = regexp_replace(pg_get_expr(p.polwithcheck, p.polrelid), '[[:space:]\"]', '', 'g')
            AND regexp_replace(pg_get_expr(p.polqual, p.polrelid), '[[:space:]\"]', '', 'g')
              = format('(%s=(SELECT%s))', CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END,
                       CASE WHEN ",
            tenant_is_signed!(),
            " THEN 'applet_host.tenant()AStenant'
                            ELSE '(NULLIF(current_setting(''applet.tenant''::text,true),''''::text))::uuidASnullif'
                       END))"
        )
    };
}
pub(crate) use sound_policies;

#[derive(sqlx::FromRow)]
struct Guarded {
    id: i64,
    schema: String,
    name: String,
    enabled: bool,
    forced: bool,
    sound: bool,
    /// Whether row security was on before us; `None` when we never touched the table.
    had_row_security: Option<bool>,
    mine: bool,
    /// Whether row security binds the owner where it is forced, and no policy lets it through.
    locked_out: bool,
    /// Roles with rights here that no policy of somebody else names.
    others: Vec<String>,
    /// Whom our `other_roles` policy names now.
    served: Vec<String>,
}

const GUARDED: &str = concat!(
    "WITH guest AS (SELECT oid FROM pg_roles WHERE rolname = 'applet_guest')
SELECT c.oid::int8 AS id, n.nspname::text AS schema, c.relname::text AS name,
       c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
       c.relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user) AS mine,
       EXISTS (SELECT FROM pg_roles r WHERE r.oid = c.relowner AND NOT r.rolsuper AND NOT r.rolbypassrls)
           AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'host_rows'
                             AND p.polroles = ARRAY[c.relowner]) AS locked_out, ",
    sound_policies!(),
    " AS sound,
       (SELECT had_row_security FROM applet_host.adopted d WHERE d.relation = c.oid) AS had_row_security,
       ARRAY(
           SELECT r.rolname::text FROM pg_roles r
           WHERE NOT r.rolsuper AND NOT r.rolbypassrls AND r.oid <> c.relowner
             AND r.rolname <> 'applet_guest' AND r.rolname !~ '^ah_[0-9a-f]{8}_'
             AND (EXISTS (SELECT FROM aclexplode(c.relacl) x WHERE x.grantee = r.oid)
                  OR EXISTS (SELECT FROM pg_attribute a, aclexplode(a.attacl) x
                             WHERE a.attrelid = c.oid AND x.grantee = r.oid)
                  OR (r.rolname IN ('pg_read_all_data', 'pg_write_all_data')
                      AND EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid)))
             AND NOT EXISTS (SELECT FROM pg_policy p
                             WHERE p.polrelid = c.oid AND p.polname <> 'other_roles' AND r.oid = ANY (p.polroles))
           ORDER BY r.rolname) AS others,
       ARRAY(
           SELECT r.rolname::text FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
           WHERE p.polrelid = c.oid AND p.polname = 'other_roles' ORDER BY r.rolname) AS served
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped AND t.atttypid = 'uuid'::regtype
                        AND t.attname = CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END
WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p')
ORDER BY c.oid"
);

/// Guards every table with a tenant column, granted or not, each in a transaction of its own so that no
/// table is locked while we wait for another. `owned` are the applet's own tables: those that we own get
/// FORCE as well.
pub(super) async fn guard(
    admin: &mut Admin,
    schemas: &[String],
    owned: &[String],
    form: TenantForm,
) -> Result<(), Error> {
    for table in guarded(admin, schemas).await? {
        let statements = table.changes(owned.contains(&table.name), form);
        if statements.is_empty() {
            continue;
        }
        retrying!(admin, "a table that needs row security", {
            admin.transact(&statements, &format!("cannot guard table `{}`", table.name)).await
        })?;
    }
    Ok(())
}

async fn guarded(admin: &mut Admin, schemas: &[String]) -> Result<Vec<Guarded>, Error> {
    let doing = "cannot read the policies";
    admin.run("BEGIN READ ONLY; SET LOCAL search_path = pg_catalog", doing).await?;
    let query = sqlx::query_as::<_, Guarded>(GUARDED).bind(schemas);
    let tables = query.fetch_all(admin.session()).await.map_err(Error::statement(doing));
    let ended = admin.run("COMMIT", doing).await;
    let tables = tables?;
    ended.map(|()| tables)
}

impl Guarded {
    fn changes(&self, own: bool, form: TenantForm) -> Vec<String> {
        let table = format!("{}.{}", ident(&self.schema), ident(&self.name));
        let mut changes = Vec::new();
        if self.had_row_security.is_none() {
            changes.push(format!(
                "INSERT INTO applet_host.adopted (relation, had_row_security) VALUES ({}, {}) ON CONFLICT DO NOTHING",
                self.id, self.enabled
            ));
        }
        if !self.sound {
            changes.extend(self.tenant_policies(&table, form));
        }
        if !self.had_row_security.unwrap_or(self.enabled)
            && self.others.iter().any(|role| !self.served.contains(role))
        {
            changes.push(format!("DROP POLICY IF EXISTS other_roles ON {table}"));
            changes.push(format!(
                "CREATE POLICY other_roles ON {table} AS PERMISSIVE FOR ALL TO {} USING (true) WITH CHECK (true)",
                idents(self.others.iter().map(String::as_str))
            ));
        }
        if !self.enabled {
            changes.push(format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"));
        }
        // An owner that is no superuser counts, exports and purges rows of all tenants all the same.
        if (own || self.forced) && self.mine && self.locked_out {
            changes.push(format!("DROP POLICY IF EXISTS host_rows ON {table}"));
            changes.push(format!(
                "CREATE POLICY host_rows ON {table} AS PERMISSIVE FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true)"
            ));
        }
        if own && self.mine && !self.forced {
            changes.push(format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"));
        }
        changes
    }

    /// The sub-select makes the setting one InitPlan per policy and statement. Unset or empty gives NULL, so no
    /// row matches and none can be written; malformed, or not valid where it is signed, is an error before
    /// any row is read.
    fn tenant_policies(&self, table: &str, form: TenantForm) -> Vec<String> {
        let column = if self.name == "tenants" { "id" } else { "tenant_id" };
        let tenant = match form {
            TenantForm::Plain => format!("nullif(current_setting('{SETTING}', true), '')::uuid"),
            TenantForm::Signed => "applet_host.tenant()".to_owned(),
        };
        let mine = format!("{column} = (SELECT {tenant})");
        [("tenant_rows", "PERMISSIVE"), ("tenant_wall", "RESTRICTIVE")]
            .into_iter()
            .flat_map(|(name, kind)| {
                [
                    format!("DROP POLICY IF EXISTS {name} ON {table}"),
                    format!(
                        "CREATE POLICY {name} ON {table} AS {kind} FOR ALL TO {GUEST} USING ({mine}) WITH CHECK ({mine})"
                    ),
                ]
            })
            .collect()
    }
}
