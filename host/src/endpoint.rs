//! A database URL, as the proxy wants to know it.

use applet_proxy::Target;
use url::Url;

use crate::output::CommandError;

/// PostgreSQL's port.
const DEFAULT_PORT: u16 = 5432;

/// The server and database of `postgres://user@host:port/database?host=/socket/directory`. Who the URL
/// logs in as does not matter: the proxy has logins of its own.
pub(crate) fn target_of(text: &str) -> Result<Target, CommandError> {
    let url =
        Url::parse(text).map_err(|error| CommandError::usage(format!("not a database URL: {error}")))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(CommandError::usage(format!("not a PostgreSQL URL: its scheme is `{}`", url.scheme())));
    }
    let parameter =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let database = some(decode(url.path().trim_start_matches('/')))
        .or_else(|| parameter("dbname"))
        .or_else(|| some(decode(url.username())))
        .unwrap_or_else(|| "postgres".to_owned());
    let port = match parameter("port") {
        Some(port) => port.parse().map_err(|_| CommandError::usage(format!("`{port}` is not a port")))?,
        None => url.port().unwrap_or(DEFAULT_PORT),
    };
    let host = parameter("host")
        .or_else(|| some(url.host_str().map(decode).unwrap_or_default()))
        .unwrap_or_else(|| "localhost".to_owned());
    Ok(if host.starts_with('/') {
        Target::unix(&host, port, database)
    } else {
        Target::tcp(host.trim_matches(['[', ']']), port, database)
    })
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
        let tcp = target_of("postgres://ann:p%40ss@db.example:6000/my%20crm").unwrap();
        assert_eq!(tcp, Target::tcp("db.example", 6000, "my crm"));
        let socket = target_of("postgresql://postgres@localhost/crm?host=/run/pg").unwrap();
        assert_eq!(socket, Target::unix("/run/pg", 5432, "crm"));
        assert_eq!(target_of("postgres://postgres@%2Frun%2Fpg/crm").unwrap(), socket);
        assert!(target_of("mysql://localhost/crm").is_err());
    }
}
