//! Which rule of pg_hba.conf decides about a login: told to an operator whose server refuses ours.

use crate::{Admin, Error};

#[derive(sqlx::FromRow)]
struct Rule {
    line_number: i32,
    text: String,
    auth_method: String,
}

/// The first rule that fits, as the server matches them: connection type, address, database, role. A host
/// name in the address column is taken as fitting.
const FIRST_MATCH: &str = "
SELECT h.line_number,
       concat_ws(' ', h.type, array_to_string(h.database, ','), array_to_string(h.user_name, ','),
                 h.address, h.netmask, h.auth_method) AS text,
       h.auth_method
FROM pg_catalog.pg_hba_file_rules h
WHERE h.error IS NULL
  AND CASE WHEN $2 THEN h.type = 'local' ELSE h.type LIKE 'host%' END
  AND h.database && ARRAY['all', current_database()::text]
  AND (h.user_name && ARRAY['all', $1] OR '+applet_guest' = ANY (h.user_name))
  AND CASE
        WHEN h.address IS NULL OR h.address !~ '^[0-9a-f.:]+$' THEN true
        WHEN family(h.address::inet) <> family(inet_client_addr()) THEN false
        ELSE (inet_client_addr() & h.netmask::inet) = (h.address::inet & h.netmask::inet)
      END
ORDER BY h.line_number
LIMIT 1";

/// Says which rule decides about the role's login from here, and what to do about it.
pub(crate) async fn explain(admin: &mut Admin, role: &str) -> Result<String, Error> {
    let local = admin.is_local();
    let query = sqlx::query_as::<_, Rule>(FIRST_MATCH).bind(role).bind(local);
    let doing = "cannot read the rules of pg_hba.conf";
    let rule = match query.fetch_optional(admin.session()).await.map_err(Error::statement(doing)) {
        Err(Error::Statement { answer, .. }) if answer.code.as_deref() == Some("42501") => {
            return Ok(
                "the server's rules for logins decide, and only a superuser can read them: roles that begin \
                       with `ah_` have to get in with a password (scram-sha-256)"
                    .to_owned(),
            );
        }
        answer => answer?,
    };
    let line = if local {
        "local all +applet_guest scram-sha-256"
    } else {
        "host all +applet_guest samenet scram-sha-256"
    };
    Ok(match rule {
        None => format!("no rule of pg_hba.conf lets it in: add `{line}` and reload"),
        Some(rule) if matches!(rule.auth_method.as_str(), "scram-sha-256" | "md5" | "password" | "trust") => {
            format!(
                "line {} of pg_hba.conf (`{}`) decides and takes passwords: its password or its limits do not fit",
                rule.line_number, rule.text
            )
        }
        Some(rule) => format!(
            "line {} of pg_hba.conf (`{}`) decides, and applet roles log in with a password: put `{line}` before it and reload",
            rule.line_number, rule.text
        ),
    })
}
