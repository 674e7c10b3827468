//! Settings of login roles: limits, and whatever fixes how values are read and printed.

use std::collections::BTreeSet;

use applet_types::TenantForm;

use crate::sql::{ident, literal};
use crate::{Admin, Error};

/// What every session of an applet starts with. Limits in section 3 of the limits; the rest fixes how
/// values are read and printed, so that no default of server or database can change it.
const SETTINGS: &[(&str, &str)] = &[
    ("search_path", "pg_catalog, public, pg_temp"),
    ("statement_timeout", "5s"),
    ("lock_timeout", "1s"),
    ("idle_in_transaction_session_timeout", "2s"),
    ("work_mem", "8MB"),
    ("temp_file_limit", "64MB"),
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
    ("standard_conforming_strings", "on"),
    ("row_security", "on"),
    ("timezone", "UTC"),
    ("datestyle", "ISO, MDY"),
    ("intervalstyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("client_min_messages", "warning"),
    // Statements of applets fail as often as applets like; neither they nor their values may fill the log.
    ("log_min_messages", "fatal"),
    ("log_min_error_statement", "panic"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
];

/// Settings of [`SETTINGS`] that only a superuser, or who was granted them, can give to a role.
const PRIVILEGED: &[&str] = &["temp_file_limit", "log_min_messages", "log_min_error_statement"];

const DOING: &str = "cannot read a role's settings";

/// The statements that make `held`, and what is set for single databases, these settings and no others.
pub(super) fn changes(
    name: &str,
    held: &[String],
    elsewhere: &[String],
    settings: &[(String, String)],
) -> Vec<String> {
    let mut statements = Vec::new();
    let wanted: BTreeSet<_> =
        settings.iter().map(|(key, value)| format!("{key}={value}").to_lowercase()).collect();
    // What a superuser has given, nobody else can take back.
    let lasting = |setting: &&String| {
        let key = setting.split('=').next().unwrap_or_default();
        PRIVILEGED.contains(&key) && !settings.iter().any(|(wanted, _)| wanted == key)
    };
    let held: BTreeSet<_> =
        held.iter().filter(|setting| !lasting(setting)).map(|setting| setting.to_lowercase()).collect();
    if held != wanted {
        statements.push(format!("ALTER ROLE {name} RESET ALL"));
        statements.extend(settings.iter().map(|(key, value)| {
            // Quoted, the list of schemas would be the name of one schema.
            let value = if key == "search_path" { value.clone() } else { literal(value) };
            format!("ALTER ROLE {name} SET {key} = {value}")
        }));
    }
    for database in elsewhere {
        statements.push(format!("ALTER ROLE {name} IN DATABASE {} RESET ALL", ident(database)));
    }
    statements
}

/// What the role is to get, as far as whoever prepares may give it.
pub(super) async fn wanted(admin: &mut Admin, form: TenantForm) -> Result<Vec<(String, String)>, Error> {
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int4")
        .fetch_one(admin.session())
        .await
        .map_err(Error::statement(DOING))?;
    let mut settings: Vec<_> =
        SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    if version >= 170_000 {
        settings.push(("transaction_timeout".to_owned(), "15s".to_owned()));
    }
    if form == TenantForm::Signed {
        let mine: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM unnest($1::text[]) AS s (name) WHERE has_parameter_privilege(name, 'SET')",
        )
        .bind(PRIVILEGED)
        .fetch_all(admin.session())
        .await
        .map_err(Error::statement(DOING))?;
        settings.retain(|(key, _)| !PRIVILEGED.contains(&key.as_str()) || mine.contains(key));
    }
    Ok(settings)
}
