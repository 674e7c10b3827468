//! A database URL, taken apart for those who need its parts.

use applet_proxy::Target;
use applet_types::{Login, Secret};
use url::Url;

use crate::output::CommandError;

/// PostgreSQL's port.
const DEFAULT_PORT: u16 = 5432;

/// Where a database is, and who the URL logs in as.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) target: Target,
    pub(crate) login: Login,
}

impl Endpoint {
    /// Reads `postgres://user:password@host:port/database?host=/socket/directory`.
    pub(crate) fn parse(text: &str) -> Result<Self, CommandError> {
        let url =
            Url::parse(text).map_err(|error| CommandError::usage(format!("not a database URL: {error}")))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(CommandError::usage(format!(
                "not a PostgreSQL URL: its scheme is `{}`",
                url.scheme()
            )));
        }
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let user = some(decode(url.username()))
            .or_else(|| parameter("user"))
            .unwrap_or_else(|| "postgres".to_owned());
        let database = some(decode(url.path().trim_start_matches('/')))
            .or_else(|| parameter("dbname"))
            .unwrap_or_else(|| user.clone());
        let port = match parameter("port") {
            Some(port) => port.parse().map_err(|_| CommandError::usage(format!("`{port}` is not a port")))?,
            None => url.port().unwrap_or(DEFAULT_PORT),
        };
        let host = parameter("host")
            .or_else(|| url.host_str().map(decode))
            .unwrap_or_else(|| "localhost".to_owned());
        let target = if host.starts_with('/') {
            Target::unix(&host, port, database)
        } else {
            Target::tcp(host.trim_matches(['[', ']']), port, database)
        };
        let password = url.password().map(decode).or_else(|| parameter("password")).unwrap_or_default();
        Ok(Self { target, login: Login { role: user, password: Secret::new(password) } })
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Percent signs undone; what is not UTF-8 then stays as it was written.
fn decode(text: &str) -> String {
    // A query pair is decoded by the same rules but for `+`, which a URL's other parts take literally.
    let pair = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map_or_else(|| text.to_owned(), |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_7_url_parts_are_found_wherever_they_stand() {
        let endpoint = Endpoint::parse("postgres://ann:p%40ss+1@db.example:6000/crm").unwrap();
        assert_eq!(endpoint.target, Target::tcp("db.example", 6000, "crm"));
        assert_eq!(endpoint.login.role, "ann");
        assert_eq!(endpoint.login.password.reveal(), "p@ss+1");

        let socket = Endpoint::parse("postgresql://postgres@localhost/crm?host=/run/pg").unwrap();
        assert_eq!(socket.target, Target::unix("/run/pg", 5432, "crm"));
        let encoded = Endpoint::parse("postgres://postgres@%2Frun%2Fpg/crm").unwrap();
        assert_eq!(encoded.target, socket.target);
        assert!(Endpoint::parse("mysql://localhost/crm").is_err());
    }
}
