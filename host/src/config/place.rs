//! Where the host keeps its things.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

/// Folder and database. `--data-dir` and `APPLET_DATA`, `--database-url` and `DATABASE_URL` override it.
///
/// Not `Debug`: the URL may hold a password.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PlaceConfig {
    /// Folder for the private PostgreSQL, keys and compiled components.
    pub(crate) data_dir: Option<PathBuf>,
    /// A PostgreSQL to use instead of a private one.
    pub(crate) database_url: Option<String>,
}

impl PlaceConfig {
    pub(super) fn has_secret(&self) -> bool {
        self.redacted().database_url != self.database_url
    }

    /// The same, fit to be shown.
    pub(crate) fn redacted(&self) -> Self {
        Self { database_url: self.database_url.as_deref().map(without_password), ..self.clone() }
    }
}

/// A URL that cannot be read is hidden as a whole: it may hold a password all the same.
fn without_password(url: &str) -> String {
    const HIDDEN: &str = "***";
    let Ok(mut parsed) = Url::parse(url) else { return HIDDEN.to_owned() };
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return HIDDEN.to_owned();
    }
    let secret = |key: &str| key.to_ascii_lowercase().contains("password");
    let in_query = parsed.query_pairs().any(|(key, _)| secret(&key));
    if parsed.password().is_none() && !in_query {
        return url.to_owned();
    }
    if parsed.password().is_some() && parsed.set_password(Some(HIDDEN)).is_err() {
        return HIDDEN.to_owned();
    }
    if in_query {
        let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
        let shown = pairs.iter().map(|(key, value)| (key, if secret(key) { HIDDEN } else { value }));
        parsed.query_pairs_mut().clear().extend_pairs(shown);
    }
    parsed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_60_passwords_are_not_shown_wherever_they_stand() {
        for (url, shown) in [
            ("postgres://ann@db/crm", "postgres://ann@db/crm"),
            ("postgres://ann:s3cret@db/crm", "postgres://ann:***@db/crm"),
            ("postgres://db/crm?password=s3cret&port=1", "postgres://db/crm?password=***&port=1"),
            ("postgres://db/crm?sslPassword=s3cret", "postgres://db/crm?sslPassword=***"),
            ("ann:s3cret@db", "***"),
            ("host=db password=s3cret", "***"),
        ] {
            let shown_url = without_password(url);
            assert!(!shown_url.contains("s3cret"), "{shown_url}");
            assert_eq!(shown_url, shown, "{url}");
        }
    }
}
