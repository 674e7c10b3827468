//! The host's own schema in a database, and the secret in it.

use applet_types::TenantForm;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use super::form::{MARK, SIGNED_MARK};
use super::{Keys, signing};
use crate::ddl::retrying;
use crate::sql::literal;
use crate::{Admin, Error};

/// Tables and functions of schema `applet_host` that the second wall needs.
const DEFINITION: &str = include_str!("applet_host.sql");

/// Where the definition reads the tenant for the trail, and what stands there where the setting is signed.
const READ_PLAIN: &str = "pg_catalog.current_setting('applet.tenant', true);\nBEGIN\n    INSERT INTO";
const READ_SIGNED: &str = "applet_host.tenant()::pg_catalog.text;\nBEGIN\n    INSERT INTO";

const DOING: &str = "cannot set up schema `applet_host`";

#[derive(sqlx::FromRow)]
struct Home {
    owner: String,
    safe: bool,
    comment: Option<String>,
}

/// Safe is what belongs to a superuser, or to whom we are anyhow.
const HOME: &str = "
SELECT r.rolname::text AS owner, r.rolsuper OR r.rolname = current_user AS safe,
       obj_description(n.oid, 'pg_namespace') AS comment
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
WHERE n.nspname = 'applet_host'";

/// The database's own name among all: the same for every session of it, different for every database of
/// every server, a restored copy included.
const IDENTITY: &str = "
SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()) || '/' || d.oid
FROM pg_catalog.pg_database d WHERE d.datname = current_database()";

/// Makes schema, tables and secret if they are not there yet, for this form of the tenant setting. What read
/// the setting in the other form reads it in this one afterwards, policies apart.
pub(super) async fn ensure(admin: &mut Admin, form: TenantForm) -> Result<Keys, Error> {
    retrying!(admin, "schema `applet_host`", { ensure_schema(admin, form).await })?;
    let mut fresh = [0_u8; 32];
    rand::rng().fill_bytes(&mut fresh);
    let failed = || Error::statement("cannot read the host's secret");
    sqlx::query("INSERT INTO applet_host.secret (key) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(fresh.as_slice())
        .execute(admin.session())
        .await
        .map_err(failed())?;
    let keys = read(admin, form).await?;
    signing::ensure_key(admin, &keys).await?;
    Ok(keys)
}

/// The keys of a database that was prepared in this form.
pub(crate) async fn read(admin: &mut Admin, form: TenantForm) -> Result<Keys, Error> {
    let failed = || Error::statement("cannot read the host's secret");
    let key: Vec<u8> = sqlx::query_scalar("SELECT key FROM applet_host.secret")
        .fetch_one(admin.session())
        .await
        .map_err(failed())?;
    let key =
        key.try_into().map_err(|_| Error::Unexpected("the host's secret has a wrong length".to_owned()))?;
    let identity: String = sqlx::query_scalar(IDENTITY).fetch_one(admin.session()).await.map_err(failed())?;
    let identity = hex::encode(Sha256::digest(identity)).chars().take(8).collect();
    Ok(Keys::new(identity, key, form))
}

fn definition(form: TenantForm) -> String {
    match form {
        TenantForm::Plain => DEFINITION.to_owned(),
        TenantForm::Signed => DEFINITION.replace(READ_PLAIN, READ_SIGNED),
    }
}

async fn ensure_schema(admin: &mut Admin, form: TenantForm) -> Result<(), Error> {
    let definition = definition(form);
    let mark = match form {
        TenantForm::Plain => MARK,
        TenantForm::Signed => SIGNED_MARK,
    };
    let version = format!("{mark}{}", hex::encode(Sha256::digest(&definition)));
    let home: Option<Home> =
        sqlx::query_as(HOME).fetch_optional(admin.session()).await.map_err(Error::statement(DOING))?;
    match home {
        // Whoever owns the schema could read the secret through a trigger.
        Some(Home { safe: false, owner, .. }) => Err(Error::Unexpected(format!(
            "schema `applet_host` belongs to `{owner}`, who is no superuser: connect as `{owner}`, or hand over \
             the schema and everything in it"
        ))),
        Some(Home { comment: Some(comment), .. }) if comment == version => Ok(()),
        Some(_) | None => {
            let mark = format!("COMMENT ON SCHEMA applet_host IS {}", literal(&version));
            admin.transact(&[definition, mark], DOING).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_the_trail_takes_the_tenant_in_the_form_that_stands() {
        assert_eq!(DEFINITION.matches(READ_PLAIN).count(), 1);
        let signed = definition(TenantForm::Signed);
        assert_eq!(signed.matches("current_setting('applet.tenant'").count(), 1, "only where it is verified");
        assert!(signed.contains(READ_SIGNED));
    }
}
