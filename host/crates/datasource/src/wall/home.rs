//! The host's own schema in a database, and the secret in it.

use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use super::Keys;
use crate::ddl::retrying;
use crate::sql::literal;
use crate::{Admin, Error};

/// Tables and functions of schema `applet_host` that the second wall needs.
const DEFINITION: &str = include_str!("applet_host.sql");

const DOING: &str = "cannot set up schema `applet_host`";

#[derive(sqlx::FromRow)]
struct Home {
    safe: bool,
    comment: Option<String>,
}

const HOME: &str = "
SELECT r.rolsuper AS safe, obj_description(n.oid, 'pg_namespace') AS comment
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
WHERE n.nspname = 'applet_host'";

/// The database's own name among all: the same for every session of it, different for every database of
/// every server, a restored copy included.
const IDENTITY: &str = "
SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()) || '/' || d.oid
FROM pg_catalog.pg_database d WHERE d.datname = current_database()";

/// Makes schema, tables and secret if they are not there yet.
pub(super) async fn ensure(admin: &mut Admin) -> Result<Keys, Error> {
    retrying!(admin, "schema `applet_host`", { ensure_schema(admin).await })?;
    let mut fresh = [0_u8; 32];
    rand::rng().fill_bytes(&mut fresh);
    let failed = || Error::statement("cannot read the host's secret");
    sqlx::query("INSERT INTO applet_host.secret (key) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(fresh.as_slice())
        .execute(admin.session())
        .await
        .map_err(failed())?;
    let key: Vec<u8> = sqlx::query_scalar("SELECT key FROM applet_host.secret")
        .fetch_one(admin.session())
        .await
        .map_err(failed())?;
    let key =
        key.try_into().map_err(|_| Error::Unexpected("the host's secret has a wrong length".to_owned()))?;
    let identity: String = sqlx::query_scalar(IDENTITY).fetch_one(admin.session()).await.map_err(failed())?;
    let identity = hex::encode(Sha256::digest(identity)).chars().take(8).collect();
    Ok(Keys::new(identity, key))
}

async fn ensure_schema(admin: &mut Admin) -> Result<(), Error> {
    let missing = missing(admin).await?;
    if missing.is_empty() { Ok(()) } else { admin.transact(&missing, DOING).await }
}

/// The statements that bring the schema about; none if it is there.
pub(crate) async fn missing(admin: &mut Admin) -> Result<Vec<String>, Error> {
    let version = format!("applet host, second wall {}", hex::encode(Sha256::digest(DEFINITION)));
    let home: Option<Home> =
        sqlx::query_as(HOME).fetch_optional(admin.session()).await.map_err(Error::statement(DOING))?;
    match home {
        // Whoever owns the schema could read the secret through a trigger.
        Some(Home { safe: false, .. }) => Err(Error::Unexpected(
            "schema `applet_host` exists and does not belong to a superuser".to_owned(),
        )),
        Some(Home { comment: Some(comment), .. }) if comment == version => Ok(Vec::new()),
        Some(_) | None => {
            let mark = format!("COMMENT ON SCHEMA applet_host IS {}", literal(&version));
            Ok(vec![DEFINITION.to_owned(), mark])
        }
    }
}
