//! Takes from PUBLIC what applets must not have, database by database, as far as the administrator can.

use applet_types::TenantForm;

use super::home;
use crate::ddl::retrying;
use crate::{Admin, Error, adopt};

const HARDEN: &str = include_str!("harden.sql");
const FUNCTIONS: &str = include_str!("public_functions.sql");
const VIEWS: &str = include_str!("public_views.sql");
const DEFINERS: &str = include_str!("public_definers.sql");
const RIGHTS: &str = include_str!("public_rights.sql");

/// Runs `harden.sql`, and writes down what it moved. It touches only what PUBLIC still has.
///
/// # Errors
///
/// [`Error::MissingRight`] when PUBLIC keeps a right on something of this database through which rows could be
/// reached. What stays of `pg_catalog` reaches rows only as the applet's own role, so row security binds it;
/// what extensions brought was let in by whoever installed them. Both are named by the doctor.
pub(super) async fn apply(admin: &mut Admin, form: TenantForm) -> Result<(), Error> {
    let left = left_to_public(admin).await?;
    // For a superuser nothing stays, whoever prepared the database before.
    let is_done = left.revocable.is_empty() && (form == TenantForm::Signed || left.staying.is_empty());
    if !is_done {
        // What is moved is written down in the host's own schema, which has to be the host's.
        home::missing(admin, form).await?;
        retrying!(admin, "the rights of PUBLIC", { adopt::move_rights(admin, &script()).await })?;
    }
    check(admin, form).await
}

/// The whole of it, for one transaction.
pub(crate) fn script() -> String {
    HARDEN
        .replace("{public_functions}", FUNCTIONS)
        .replace("{public_views}", VIEWS)
        .replace("{public_definers}", DEFINERS)
        .replace("{public_rights}", RIGHTS)
}

/// Whether what is left to PUBLIC is left safely.
///
/// # Errors
///
/// As [`apply`].
pub(crate) async fn check(admin: &mut Admin, form: TenantForm) -> Result<(), Error> {
    match form {
        TenantForm::Plain => Ok(()),
        TenantForm::Signed => match beyond_reach(admin).await? {
            None => Ok(()),
            Some(right) => Err(Error::MissingRight { role: admin.role().to_owned(), right }),
        },
    }
}

/// A right of PUBLIC that row security does not bind and that belongs to somebody else.
async fn beyond_reach(admin: &mut Admin) -> Result<Option<String>, Error> {
    let sql = format!(
        "SELECT format('ownership of function `%s`, which PUBLIC may call with its owner''s rights', q.name)
         FROM ({DEFINERS}) AS q WHERE NOT q.extension AND NOT pg_has_role(q.owner, 'USAGE')
         UNION ALL
         SELECT format('ownership of %s, on which PUBLIC has %s', q.object, q.rights)
         FROM ({RIGHTS}) AS q WHERE NOT q.extension AND NOT pg_has_role(q.owner, 'USAGE')
           AND NOT (q.object LIKE 'SCHEMA %' AND q.rights = 'USAGE')
         LIMIT 1"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_optional(admin.session()).await.map_err(failed())
}

/// What PUBLIC, and so every applet, still holds: a line each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// What the next preparation takes away.
    pub(crate) revocable: Vec<String>,
    /// What whoever prepared the database cannot take away.
    pub(crate) staying: Vec<String>,
}

/// Looks for it. Before the first preparation everything counts as revocable.
pub(crate) async fn left_to_public(admin: &mut Admin) -> Result<Left, Error> {
    let kinds = [
        ("'EXECUTE on function ' || q.name", FUNCTIONS),
        ("'SELECT on view ' || q.name", VIEWS),
        ("'EXECUTE on function ' || q.name", DEFINERS),
        ("q.rights || ' on ' || q.object", RIGHTS),
    ];
    let mut left = Left::default();
    for (line, query) in kinds {
        let sql = format!(
            "SELECT {line}, coalesce(pg_has_role((SELECT n.nspowner FROM pg_catalog.pg_namespace n
                                                  WHERE n.nspname = 'applet_host'), q.owner, 'USAGE'), true)
             FROM ({query}) AS q"
        );
        let found: Vec<(String, bool)> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(admin.session()).await.map_err(failed())?;
        for (line, revocable) in found {
            if revocable { left.revocable.push(line) } else { left.staying.push(line) }
        }
    }
    Ok(left)
}

fn failed() -> impl FnOnce(sqlx::Error) -> Error {
    Error::statement("cannot read the rights of PUBLIC")
}
