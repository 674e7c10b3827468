//! Making a login role exactly what its grants say: attributes, settings, membership, rights.
//!
//! *Invariant:* whatever was given to the role by anybody before is gone afterwards, in one transaction,
//! so that a running session of the role never sees a moment with more or less than its grants.

use std::collections::BTreeSet;

use applet_types::{Login, SqlName, TenantForm};
use sha2::{Digest as _, Sha256};

use super::rights::{Right, Sequence, audit_rights, cache_rights, desired, grant_statements, pool_rights};
use super::{GUEST, Preparation, Purpose, settings};
use crate::ddl::retrying;
use crate::locks::ROLE_IN_USE;
use crate::sql::{ident, literal};
use crate::{Admin, Error};

const ATTRIBUTES: &str = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION INHERIT";

/// Sessions of a role at most: the host's pool of 40 and some room (limits, section 3).
const CONNECTION_LIMIT: i32 = 45;

const DOING: &str = "cannot prepare the applet's role";

#[derive(sqlx::FromRow)]
struct State {
    id: i64,
    login: bool,
    plain: bool,
    /// Attributes that it must not have, as ALTER ROLE takes them away.
    excess: Vec<String>,
    bypass: bool,
    connection_limit: i32,
    verifier: Option<String>,
    groups: Vec<String>,
    administers: bool,
    settings: Vec<String>,
    settings_elsewhere: Vec<String>,
}

const STATE: &str = "
SELECT r.oid::int8 AS id, r.rolcanlogin AS login,
       NOT r.rolsuper AND NOT r.rolcreatedb AND NOT r.rolcreaterole AND NOT r.rolreplication
           AND r.rolinherit
           AND coalesce(r.rolvaliduntil = 'infinity', true) AS plain,
       ARRAY(SELECT e.name FROM (VALUES (r.rolsuper, 'NOSUPERUSER'), (r.rolcreatedb, 'NOCREATEDB'),
                                        (r.rolcreaterole, 'NOCREATEROLE'), (r.rolreplication, 'NOREPLICATION'),
                                        (r.rolbypassrls, 'NOBYPASSRLS')) AS e (has, name) WHERE e.has) AS excess,
       r.rolbypassrls AS bypass, r.rolconnlimit AS connection_limit,
       encode(sha256(convert_to(r.rolpassword, 'UTF8')), 'hex') AS verifier,
       ARRAY(SELECT g.rolname::text FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
             WHERE m.member = r.oid ORDER BY 1) AS groups,
       EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid AND m.admin_option) AS administers,
       coalesce((SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s
                 WHERE s.setrole = r.oid AND s.setdatabase = 0), '{}') AS settings,
       ARRAY(SELECT d.datname::text FROM pg_catalog.pg_db_role_setting s
                 JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
             WHERE s.setrole = r.oid) AS settings_elsewhere
FROM pg_catalog.pg_authid r WHERE r.rolname = $1";

/// Everything the role holds in this database and on shared objects. What is neither a relation, a column,
/// a function, a schema nor a database comes as its catalogue and number: we never grant such, so it never fits.
const RIGHTS: &str = "
WITH me AS (SELECT $1::int8::oid AS id)
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, n.nspname::text AS schema,
       c.relname::text AS name, '' AS column_name, x.privilege_type AS privilege, x.is_grantable AS grantable
FROM me, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) x
WHERE x.grantee = me.id
UNION
SELECT 'TABLE', n.nspname, c.relname, a.attname, x.privilege_type, x.is_grantable
FROM me, pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, aclexplode(a.attacl) x
WHERE x.grantee = me.id AND NOT a.attisdropped
UNION
SELECT 'SCHEMA', '', n.nspname, '', x.privilege_type, x.is_grantable
FROM me, pg_catalog.pg_namespace n, aclexplode(n.nspacl) x WHERE x.grantee = me.id
UNION
SELECT 'DATABASE', '', d.datname, '', x.privilege_type, x.is_grantable
FROM me, pg_catalog.pg_database d, aclexplode(d.datacl) x WHERE x.grantee = me.id
UNION
SELECT 'FUNCTION', '', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), '',
       x.privilege_type, x.is_grantable
FROM me, pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) x
WHERE x.grantee = me.id
UNION
SELECT 'OTHER', s.classid::regclass::text, s.objid::text, s.objsubid::text, s.deptype::text, true
FROM me, pg_catalog.pg_shdepend s
WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass AND s.refobjid = me.id
  AND s.dbid IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
  AND NOT (s.deptype = 'a' AND s.classid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass,
           'pg_catalog.pg_namespace'::regclass, 'pg_catalog.pg_database'::regclass))";

/// Sequences that defaults of columns draw from. Identity columns need no right.
const SEQUENCES: &str = "
SELECT DISTINCT n.nspname::text AS table_schema, c.relname::text AS table_name,
       qn.nspname::text AS schema, q.relname::text AS name
FROM pg_catalog.pg_attrdef d
     JOIN pg_catalog.pg_class c ON c.oid = d.adrelid
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_depend s ON s.classid = 'pg_catalog.pg_attrdef'::regclass AND s.objid = d.oid
          AND s.refclassid = 'pg_catalog.pg_class'::regclass
     JOIN pg_catalog.pg_class q ON q.oid = s.refobjid AND q.relkind = 'S'
     JOIN pg_catalog.pg_namespace qn ON qn.oid = q.relnamespace";

/// Takes everything from a role that it holds here. Somebody who is no superuser has to be a member for that,
/// and is one for this long only: members of applets' roles are bound by the policies for applets.
pub(super) fn strip(name: &str, form: TenantForm) -> Vec<String> {
    let strip = [format!("REASSIGN OWNED BY {name} TO CURRENT_USER"), format!("DROP OWNED BY {name}")];
    match form {
        TenantForm::Plain => strip.into(),
        TenantForm::Signed => {
            let [reassign, drop] = strip;
            let (join, leave) =
                (format!("GRANT {name} TO CURRENT_USER"), format!("REVOKE {name} FROM CURRENT_USER"));
            vec![join, reassign, drop, leave]
        }
    }
}

/// The group that policies name. Other databases of the server make it at the same time: whoever loses
/// the race finds it there.
pub(super) async fn ensure_guest(admin: &mut Admin, form: TenantForm) -> Result<(), Error> {
    retrying!(admin, "role `applet_guest`", {
        let mut statements = Vec::new();
        match state(admin, GUEST, form).await? {
            None => statements.push(format!("CREATE ROLE {GUEST} NOLOGIN NOBYPASSRLS {ATTRIBUTES}")),
            Some(guest) => {
                if guest.login || guest.bypass || !guest.plain {
                    let attributes = match form {
                        TenantForm::Plain => format!("NOBYPASSRLS {ATTRIBUTES}"),
                        TenantForm::Signed => format!("INHERIT {}", guest.excess.join(" ")),
                    };
                    statements
                        .push(format!("ALTER ROLE {GUEST} NOLOGIN {attributes} VALID UNTIL 'infinity'"));
                }
                statements
                    .extend(guest.groups.iter().map(|group| format!("REVOKE {} FROM {GUEST}", ident(group))));
                statements.extend(stray_rights(admin, guest.id).await?);
            }
        }
        if statements.is_empty() { Ok(()) } else { admin.transact(&statements, DOING).await }
    })
}

/// Rights on relations that somebody gave to the group: every applet would have them.
async fn stray_rights(admin: &mut Admin, guest: i64) -> Result<Vec<String>, Error> {
    let stray = rights(admin, guest).await?;
    let relations: BTreeSet<_> = stray
        .iter()
        .filter(|right| matches!(right.kind.as_str(), "TABLE" | "SEQUENCE"))
        .filter_map(|right| Some(format!("REVOKE ALL ON {} FROM {GUEST}", right.object()?)))
        .collect();
    Ok(relations.into_iter().collect())
}

/// What a login role has to be.
struct Wanted<'a> {
    login: &'a Login,
    /// For whom: an applet's id, or nothing for a role of the host.
    applet: &'a str,
    /// The digest of the grants, in full.
    grants: String,
    purpose: Purpose,
    bypass: bool,
    /// Whether policies let tenants' rows through to it.
    guest: bool,
    rights: BTreeSet<Right>,
    /// The form of the wall. Whoever builds the signed one is no superuser.
    form: TenantForm,
}

/// Makes the applet's role exactly what it has to be. Returns the granted tables that are not there.
pub(super) async fn ensure(
    admin: &mut Admin,
    preparation: &Preparation<'_>,
    login: &Login,
    form: TenantForm,
) -> Result<Vec<SqlName>, Error> {
    let sequences: Vec<Sequence> =
        sqlx::query_as(SEQUENCES).fetch_all(admin.session()).await.map_err(Error::statement(DOING))?;
    let desired = desired(preparation.grants, preparation.catalog, &sequences, &database(admin).await?);
    let wanted = Wanted {
        login,
        applet: preparation.applet.as_str(),
        grants: preparation.grants.digest().to_string(),
        purpose: preparation.purpose,
        bypass: preparation.bypass,
        guest: true,
        rights: desired.rights,
        form,
    };
    make(admin, &wanted).await?;
    if preparation.purpose == Purpose::Command {
        hold(admin, &login.role).await?;
    }
    Ok(desired.missing)
}

/// The role that writes the audit trail.
pub(super) async fn ensure_auditor(admin: &mut Admin, login: &Login, form: TenantForm) -> Result<(), Error> {
    let rights = audit_rights(&database(admin).await?);
    ensure_own(admin, login, "audit", rights, form).await?;
    // Where PUBLIC has lost it, only a superuser could have given it to this role.
    let able: bool =
        sqlx::query_scalar("SELECT has_function_privilege($1, 'pg_catalog.pg_current_xact_id()', 'EXECUTE')")
            .bind(&login.role)
            .fetch_one(admin.session())
            .await
            .map_err(Error::statement(DOING))?;
    if able {
        return Ok(());
    }
    let right = format!("what grants EXECUTE on function `pg_current_xact_id()` to `{}`", login.role);
    Err(Error::MissingRight { role: admin.role().to_owned(), right })
}

/// Makes the role that watches over the read cache and does nothing else.
pub(super) async fn ensure_watcher(admin: &mut Admin, login: &Login, form: TenantForm) -> Result<(), Error> {
    let rights = cache_rights(&database(admin).await?);
    ensure_own(admin, login, "cache", rights, form).await
}

/// Makes the role that keeps hosts' shares of the caps and does nothing else.
pub(super) async fn ensure_keeper(admin: &mut Admin, login: &Login, form: TenantForm) -> Result<(), Error> {
    let rights = pool_rights(&database(admin).await?);
    ensure_own(admin, login, "pool", rights, form).await
}

async fn ensure_own(
    admin: &mut Admin,
    login: &Login,
    grants: &str,
    rights: BTreeSet<Right>,
    form: TenantForm,
) -> Result<(), Error> {
    let wanted = Wanted {
        login,
        applet: "",
        grants: grants.to_owned(),
        purpose: Purpose::Installation,
        bypass: false,
        guest: false,
        rights,
        form,
    };
    make(admin, &wanted).await
}

async fn make(admin: &mut Admin, wanted: &Wanted<'_>) -> Result<(), Error> {
    let settings = settings::wanted(admin, wanted.form).await?;
    retrying!(admin, "a login role", {
        let statements = changes(admin, wanted, &settings).await?;
        if statements.is_empty() { Ok(()) } else { admin.transact(&statements, DOING).await }
    })
}

async fn database(admin: &mut Admin) -> Result<String, Error> {
    let name = sqlx::query_scalar("SELECT current_database()::text");
    name.fetch_one(admin.session()).await.map_err(Error::statement(DOING))
}

/// Says for the life of this session that the role is in use.
async fn hold(admin: &mut Admin, role: &str) -> Result<(), Error> {
    sqlx::query("SELECT pg_catalog.pg_try_advisory_lock_shared($1, oid::int4) FROM pg_catalog.pg_roles WHERE rolname = $2")
        .bind(ROLE_IN_USE)
        .bind(role)
        .execute(admin.session())
        .await
        .map(drop)
        .map_err(Error::statement(DOING))
}

async fn changes(
    admin: &mut Admin,
    wanted: &Wanted<'_>,
    wanted_settings: &[(String, String)],
) -> Result<Vec<String>, Error> {
    let name = ident(&wanted.login.role);
    let known = known_verifier(admin, wanted).await?;
    let state = state(admin, &wanted.login.role, wanted.form).await?;
    let mut statements: Vec<_> = wanted.attributes(state.as_ref(), &name).into_iter().collect();
    let password_fits = match (&state, wanted.form) {
        (None, _) => false,
        (Some(state), TenantForm::Plain) => known.is_some() && state.verifier == known,
        // Only a superuser can read what the password is. One that somebody changed is found out by the login.
        (Some(_), TenantForm::Signed) => known.is_some(),
    };
    if !password_fits {
        statements.extend(new_password(wanted));
    }
    let mut held = match &state {
        Some(state) => rights(admin, state.id).await?,
        None => BTreeSet::new(),
    };
    let mut wanted_rights = wanted.rights.clone();
    if wanted.form == TenantForm::Signed {
        // Nobody but a superuser gives or takes those, and PUBLIC has them as a rule.
        for rights in [&mut held, &mut wanted_rights] {
            rights.retain(|right| !(right.kind == "FUNCTION" && right.name.starts_with("pg_catalog.")));
        }
    }
    if held != wanted_rights {
        if state.is_some() {
            statements.extend(wanted.takings(&held, &wanted_rights));
        }
        statements.extend(grant_statements(&wanted_rights, &wanted.login.role));
    }
    statements.extend(membership(state.as_ref(), &name, wanted.guest));
    let (held, elsewhere) =
        state.as_ref().map_or((&[][..], &[][..]), |state| (&state.settings, &state.settings_elsewhere));
    statements.extend(settings::changes(&name, held, elsewhere, wanted_settings));
    Ok(statements)
}

impl Wanted<'_> {
    fn attributes(&self, state: Option<&State>, name: &str) -> Option<String> {
        if let (Some(state), TenantForm::Signed) = (state, self.form) {
            return mended(state, name);
        }
        let bypass = if self.bypass { "BYPASSRLS" } else { "NOBYPASSRLS" };
        let attributes = format!("{name} LOGIN {bypass} {ATTRIBUTES} CONNECTION LIMIT {CONNECTION_LIMIT}");
        match state {
            None => Some(format!("CREATE ROLE {attributes}")),
            Some(state)
                if state.login
                    && state.plain
                    && state.bypass == self.bypass
                    && state.connection_limit == CONNECTION_LIMIT =>
            {
                None
            }
            Some(_) => Some(format!("ALTER ROLE {attributes} VALID UNTIL 'infinity'")),
        }
    }

    /// Takes away what the role holds beyond these rights, or all of it.
    fn takings(&self, held: &BTreeSet<Right>, rights: &BTreeSet<Right>) -> Vec<String> {
        let name = ident(&self.login.role);
        let objects: Option<BTreeSet<_>> = held.difference(rights).map(Right::object).collect();
        match (self.form, objects) {
            // DROP OWNED asks more of somebody who is no superuser than taking back what he has given.
            (TenantForm::Signed, Some(objects)) => {
                objects.into_iter().map(|object| format!("REVOKE ALL ON {object} FROM {name}")).collect()
            }
            (TenantForm::Plain, _) | (TenantForm::Signed, None) => strip(&name, self.form),
        }
    }
}

/// Puts attributes right without naming those that only a superuser may name, unless they are wrong.
fn mended(state: &State, name: &str) -> Option<String> {
    let right =
        state.login && state.plain && state.excess.is_empty() && state.connection_limit == CONNECTION_LIMIT;
    let excess = state.excess.join(" ");
    (!right).then(|| {
        format!(
            "ALTER ROLE {name} LOGIN INHERIT {excess} CONNECTION LIMIT {CONNECTION_LIMIT} VALID UNTIL 'infinity'"
        )
    })
}

/// The digest of the password that we set, if the role is one of ours.
async fn known_verifier(admin: &mut Admin, wanted: &Wanted<'_>) -> Result<Option<String>, Error> {
    let sql = "SELECT applet, grants, verifier, purpose FROM applet_host.login WHERE role = $1";
    let role = &wanted.login.role;
    let row: Option<(String, String, String, String)> = sqlx::query_as(sql)
        .bind(role)
        .fetch_optional(admin.session())
        .await
        .map_err(Error::statement(DOING))?;
    let Some((applet, grants, verifier, purpose)) = row else { return Ok(None) };
    if applet != wanted.applet || grants != wanted.grants {
        return Err(Error::RoleTaken(role.clone()));
    }
    // A role that a command made becomes an installation's for good; writing the password anew records it.
    let promoted = purpose == "command" && wanted.purpose == Purpose::Installation;
    Ok((!promoted).then_some(verifier))
}

/// Sets the password as a SCRAM verifier, so that it stands in no server log, and remembers which one.
fn new_password(wanted: &Wanted<'_>) -> [String; 2] {
    let verifier = postgres_protocol::password::scram_sha_256(wanted.login.password.reveal().as_bytes());
    let purpose = match wanted.purpose {
        Purpose::Installation => "installation",
        Purpose::Command => "command",
    };
    [
        format!("ALTER ROLE {} PASSWORD {}", ident(&wanted.login.role), literal(&verifier)),
        format!(
            "INSERT INTO applet_host.login (role, applet, grants, verifier, purpose) VALUES ({}, {}, {}, {}, {}) \
             ON CONFLICT (role) DO UPDATE SET verifier = EXCLUDED.verifier, \
             purpose = CASE login.purpose WHEN 'installation' THEN login.purpose ELSE EXCLUDED.purpose END",
            literal(&wanted.login.role),
            literal(wanted.applet),
            literal(&wanted.grants),
            literal(&hex::encode(Sha256::digest(&verifier))),
            literal(purpose),
        ),
    ]
}

fn membership(state: Option<&State>, name: &str, guest: bool) -> Vec<String> {
    let groups: &[String] = state.map_or(&[], |state| &state.groups);
    let administers = state.is_some_and(|state| state.administers);
    let mut statements: Vec<_> = groups
        .iter()
        .filter(|group| !guest || administers || *group != GUEST)
        .map(|group| format!("REVOKE {} FROM {name}", ident(group)))
        .collect();
    if guest && (!statements.is_empty() || !groups.iter().any(|group| group == GUEST)) {
        statements.push(format!("GRANT {GUEST} TO {name}"));
    }
    statements
}

async fn state(admin: &mut Admin, role: &str, form: TenantForm) -> Result<Option<State>, Error> {
    let sql = match form {
        TenantForm::Plain => STATE.to_owned(),
        TenantForm::Signed => STATE.replace("pg_catalog.pg_authid r", "pg_catalog.pg_roles r"),
    };
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(role);
    query.fetch_optional(admin.session()).await.map_err(Error::statement(DOING))
}

pub(super) async fn rights(admin: &mut Admin, role: i64) -> Result<BTreeSet<Right>, Error> {
    let query = sqlx::query_as::<_, Right>(RIGHTS).bind(role);
    let rights = query.fetch_all(admin.session()).await.map_err(Error::statement(DOING))?;
    Ok(rights.into_iter().collect())
}
