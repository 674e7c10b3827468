//! Where the host keeps its things.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

/// Folder, database and Redis. `--data-dir` and `APPLET_DATA`, `--database-url` and `DATABASE_URL`,
/// `--redis-url` and `APPLET_REDIS_URL`, `--redis-root-cert` and `APPLET_REDIS_ROOT_CERT` override it.
///
/// Not `Debug`: the URLs may hold passwords.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlaceConfig {
    /// Folder for the private PostgreSQL, keys and compiled components.
    pub data_dir: Option<PathBuf>,
    /// A PostgreSQL to use instead of a private one.
    pub database_url: Option<String>,
    /// A Redis to share cached reads with other hosts, or nodes of a cluster with commas.
    pub redis_url: Option<String>,
    /// The certificate of the authority that a `rediss://` server proves itself by; this machine's
    /// authorities without.
    pub redis_root_cert: Option<PathBuf>,
}

impl PlaceConfig {
    pub(super) fn has_secret(&self) -> bool {
        self.redacted() != *self
    }

    /// The same, fit to be shown.
    pub fn redacted(&self) -> Self {
        Self {
            database_url: self.database_url.as_deref().map(|url| without_password(url, DATABASES)),
            redis_url: self.redis_url.as_deref().map(without_passwords),
            ..self.clone()
        }
    }
}

const DATABASES: &[&str] = &["postgres", "postgresql"];
const REDISES: &[&str] = &["redis", "rediss", "valkey", "valkeys", "redis+unix", "valkey+unix", "unix"];
const HIDDEN: &str = "***";

/// Several URLs with commas. A password with a comma in it breaks its URL, which is then hidden.
fn without_passwords(urls: &str) -> String {
    let shown: Vec<String> = urls.split(',').map(|url| without_password(url.trim(), REDISES)).collect();
    shown.join(",")
}

/// A URL that cannot be read is hidden as a whole: it may hold a password all the same.
fn without_password(url: &str, schemes: &[&str]) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return HIDDEN.to_owned() };
    if !schemes.contains(&parsed.scheme()) {
        return HIDDEN.to_owned();
    }
    let secret = |key: &str| key.to_ascii_lowercase().contains("pass");
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
            let shown_url = without_password(url, DATABASES);
            assert!(!shown_url.contains("s3cret"), "{shown_url}");
            assert_eq!(shown_url, shown, "{url}");
        }
        for (urls, shown) in [
            ("redis://localhost", "redis://localhost"),
            ("redis+unix:///run/redis.sock", "redis+unix:///run/redis.sock"),
            ("redis+unix:///run/redis.sock?pass=s3cret", "redis+unix:///run/redis.sock?pass=***"),
            ("rediss://ann:s3cret@a:1, rediss://ann:s3cret@b", "rediss://ann:***@a:1,rediss://ann:***@b"),
            ("rediss://ann:s3cret,s3cret@a", "***,***"),
            ("http://s3cret@a", "***"),
        ] {
            assert_eq!(without_passwords(urls), shown, "{urls}");
        }
    }
}
