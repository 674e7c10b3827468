//! Takes from PUBLIC what applets must not have, database by database.

use crate::ddl::retrying;
use crate::{Admin, Error, adopt};

const HARDEN: &str = include_str!("harden.sql");
const FUNCTIONS: &str = include_str!("public_functions.sql");
const VIEWS: &str = include_str!("public_views.sql");
const DEFINERS: &str = include_str!("public_definers.sql");
const RIGHTS: &str = include_str!("public_rights.sql");

/// Runs `harden.sql`, and writes down what it moved. It touches only what PUBLIC still has.
pub(super) async fn apply(admin: &mut Admin) -> Result<(), Error> {
    if missing_revokes(admin).await?.is_empty() {
        return Ok(());
    }
    retrying!(admin, "the rights of PUBLIC", { adopt::move_rights(admin, &script()).await })
}

/// The whole of it, for one transaction.
pub(crate) fn script() -> String {
    HARDEN
        .replace("{public_functions}", FUNCTIONS)
        .replace("{public_views}", VIEWS)
        .replace("{public_definers}", DEFINERS)
        .replace("{public_rights}", RIGHTS)
}

/// What PUBLIC, and so every applet, still holds of it: a line each.
pub(crate) async fn missing_revokes(admin: &mut Admin) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    for (what, query) in
        [("EXECUTE on function ", FUNCTIONS), ("SELECT on view ", VIEWS), ("EXECUTE on function ", DEFINERS)]
    {
        let names: Vec<String> =
            sqlx::query_scalar(query).fetch_all(admin.session()).await.map_err(failed())?;
        missing.extend(names.iter().map(|name| format!("{what}{name}")));
    }
    let rights: Vec<(String, String)> =
        sqlx::query_as(RIGHTS).fetch_all(admin.session()).await.map_err(failed())?;
    missing.extend(rights.into_iter().map(|(object, rights)| format!("{rights} on {object}")));
    Ok(missing)
}

fn failed() -> impl FnOnce(sqlx::Error) -> Error {
    Error::statement("cannot read the rights of PUBLIC")
}
