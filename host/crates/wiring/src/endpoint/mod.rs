//! A database URL, read once: where the server is, and how the way there is protected. What the proxy
//! connects to and the URL that set-up connects with are made from the same reading, so that they cannot
//! mean different things.
//!
//! *Invariants:* plain text, and TLS with a server that proves nothing, leave this machine only if the
//! operator insists. No error quotes the URL: it may hold a password.

mod security;

use std::path::PathBuf;

use applet_proxy::{Target, Tls, Transport, TransportError};
use url::Url;

use crate::HostError;
use security::{Security, Wanted};

/// PostgreSQL's port.
const DEFAULT_PORT: u16 = 5432;

/// Parameters that only matter to sessions of set-up, and are handed on.
const HANDED_ON: &[&str] = &["user", "password", "application_name", "options", "statement-cache-capacity"];

/// The authorities of a URL that names none, as PostgreSQL's own clients have it.
const AUTHORITIES: &str = "PGSSLROOTCERT";

/// A database, as everybody connects to it.
#[derive(Clone)]
pub struct Endpoint {
    target: Target,
    url: String,
}

impl Endpoint {
    /// The server and database of `postgres://user@host:port/database?host=/socket/directory`. Who the URL
    /// logs in as does not matter to the proxy, which has logins of its own.
    pub fn parse(text: &str, insecure_transport: bool) -> Result<Self, HostError> {
        let authorities = std::env::var_os(AUTHORITIES).map(PathBuf::from);
        let parts = Parts::read(text, authorities)?;
        let security = parts.wanted.decide(&parts.host, parts.port, insecure_transport)?;
        let target = match &security {
            Security::Socket => Target::unix(&parts.host, parts.port, &parts.database),
            Security::Plain => Target::tcp(&parts.host, parts.port, &parts.database),
            Security::Tls { proof, authorities } => {
                let tls = Tls::new(*proof, authorities.as_deref()).map_err(|error| refused(&error))?;
                Target::tls(&parts.host, parts.port, &parts.database, tls)
            }
        };
        Ok(Self { target, url: parts.plainly(&security)? })
    }

    /// What the proxy connects to.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The URL for set-up, in which everything is said. It may hold a password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sees how the way to the server is protected.
    pub async fn probe(&self) -> Result<Transport, HostError> {
        self.target.probe().await.map_err(|error| refused(&error))
    }
}

fn refused(error: &TransportError) -> HostError {
    let advice = match error {
        TransportError::NotOffered => "; or name another `sslmode` in the database URL",
        TransportError::Certificate(_) | TransportError::Authorities(_) => {
            "; the authority's file is `sslrootcert` in the database URL"
        }
        TransportError::Unreachable(_) | TransportError::Handshake(_) | TransportError::Name(_) => "",
    };
    HostError::refused(error.code(), format!("cannot connect to the database: {error}{advice}"))
}

/// What a URL says.
struct Parts {
    host: String,
    port: u16,
    database: String,
    wanted: Wanted,
    /// Names and values as they were given.
    handed_on: Vec<(String, String)>,
    /// The URL without anything but who logs in.
    login: Url,
}

impl Parts {
    fn read(text: &str, authorities: Option<PathBuf>) -> Result<Self, HostError> {
        let usage = |message: String| HostError::usage(format!("the database URL {message}"));
        let url = Url::parse(text).map_err(|error| usage(format!("cannot be read: {error}")))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(usage(format!("is not a PostgreSQL URL: its scheme is `{}`", url.scheme())));
        }
        let mut parameters = Parameters::of(&url)?;
        let database = some(decode(url.path().trim_start_matches('/')))
            .or_else(|| parameters.take("dbname"))
            .or_else(|| some(decode(url.username())))
            .unwrap_or_else(|| "postgres".to_owned());
        let port = match parameters.take("port") {
            Some(port) => port.parse().map_err(|_| usage(format!("has `{port}` for a port")))?,
            None => url.port().unwrap_or(DEFAULT_PORT),
        };
        let host = parameters
            .take("host")
            .or_else(|| some(url.host_str().map(decode).unwrap_or_default()))
            .unwrap_or_else(|| "localhost".to_owned());
        let file = parameters.take("sslrootcert").map(PathBuf::from).or(authorities);
        let wanted = Wanted::read(parameters.take("sslmode").as_deref(), file).map_err(usage)?;
        let handed_on = parameters.handed_on()?;
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port, database, wanted, handed_on, login: login(&url)? })
    }

    /// The same as a URL in which nothing is left to defaults or the environment.
    fn plainly(self, security: &Security) -> Result<String, HostError> {
        let Self { host, port, database, handed_on, login: mut url, .. } = self;
        let mut pairs = handed_on;
        let mut say = |name: &str, value: String| pairs.push((name.to_owned(), value));
        say("host", host);
        say("port", port.to_string());
        say("dbname", database);
        say("sslmode", security.mode().to_owned());
        if let Some(file) = security.authorities() {
            let file = file
                .to_str()
                .ok_or_else(|| HostError::usage(format!("`{}` is not a name in UTF-8", file.display())))?;
            say("sslrootcert", file.to_owned());
        }
        url.query_pairs_mut().extend_pairs(pairs);
        Ok(url.into())
    }
}

/// `postgres://user:password@localhost/`, from a URL with more in it.
fn login(url: &Url) -> Result<Url, HostError> {
    let broken = || HostError::usage("the database URL has a user or a password that cannot be read");
    let mut login = Url::parse("postgres://localhost/").map_err(|_| broken())?;
    login.set_username(url.username()).map_err(|()| broken())?;
    login.set_password(url.password()).map_err(|()| broken())?;
    Ok(login)
}

/// The parameters behind a URL's question mark. One that is said twice, or that somebody else might
/// understand and we do not, is refused: set-up and the proxy would go different ways.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(url: &Url) -> Result<Self, HostError> {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        for (at, (name, _)) in pairs.iter().enumerate() {
            if pairs.iter().skip(at + 1).any(|(other, _)| other == name) {
                return Err(HostError::usage(format!("the database URL says `{name}` twice")));
            }
        }
        Ok(Self(pairs))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        some(self.0.remove(at).1)
    }

    fn handed_on(self) -> Result<Vec<(String, String)>, HostError> {
        let known = |name: &str| HANDED_ON.contains(&name) || name.starts_with("options[");
        match self.0.iter().find(|(name, _)| !known(name)) {
            None => Ok(self.0),
            Some((name, _)) => Err(HostError::usage(format!(
                "the database URL has a parameter `{name}`, which is not supported: take it out"
            ))),
        }
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
mod tests;
