//! A registry that is being talked to: where it is, who we are to it, and where it may send us.

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use applet_package::Repository;

use crate::connect::Connector;
use crate::exchange::{Answer, Ask, exchange};
use crate::origin::Origin;
use crate::reach::Reach;
use crate::token::{Challenge, TOKEN_BYTES, basic, token};
use crate::{Access, RegistryError};

/// How often one request is sent elsewhere.
const REDIRECTS: usize = 5;

/// Bytes of an answer that is not asked for its body: room for an error's text.
pub(crate) const REMARK_BYTES: usize = 64 << 10;

/// One repository of a registry.
pub struct Registry {
    repository: Repository,
    access: Access,
    base: Url,
    pub(crate) origin: Origin,
    connector: Connector,
    /// What the server has let us know, once it has proved who it is.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    reach: Option<Reach>,
    authorization: Option<HeaderValue>,
}

/// What may be done in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    Pull,
    Push,
}

impl Registry {
    /// The registry of a repository. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// When it would be reached in plain text, or there is no authority to go by.
    pub fn new(repository: &Repository, access: &Access) -> Result<Self, RegistryError> {
        let base = Origin::base(repository.registry(), access)?;
        let origin = Origin::of(&base, access)?;
        Ok(Self {
            repository: repository.clone(),
            access: access.clone(),
            base,
            origin,
            connector: Connector::new(access)?,
            known: Mutex::default(),
        })
    }

    /// The URL of something of the repository.
    pub(crate) fn url(&self, rest: &str) -> Result<Url, RegistryError> {
        let path = format!("v2/{}/{rest}", self.repository.name());
        self.base.join(&path).map_err(|_| self.malformed("a place that is none"))
    }

    pub(crate) fn malformed(&self, reason: &'static str) -> RegistryError {
        RegistryError::Malformed { host: self.origin.to_string(), reason }
    }

    pub(crate) const fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(crate) const fn access(&self) -> &Access {
        &self.access
    }

    /// Asks the registry, says who we are if it wants to know, and follows where it sends us.
    pub(crate) async fn ask(&self, ask: Ask, right: Right) -> Result<Answer, RegistryError> {
        let answer = self.ask_itself(&ask).await?;
        let answer = if answer.status == StatusCode::UNAUTHORIZED {
            self.authorize(&answer, right).await?;
            self.ask_itself(&ask).await?
        } else {
            answer
        };
        if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.unauthorized());
        }
        if matches!(ask.method, Method::GET | Method::HEAD) && answer.status.is_redirection() {
            return self.follow(ask, answer).await;
        }
        Ok(answer)
    }

    /// What an answer that is not the expected one comes to.
    pub(crate) fn refused(&self, answer: &Answer) -> RegistryError {
        RegistryError::Refused {
            host: self.origin.to_string(),
            status: answer.status.as_u16(),
            code: error_code(&answer.body),
        }
    }

    async fn ask_itself(&self, ask: &Ask) -> Result<Answer, RegistryError> {
        let mut ask = ask.clone();
        if let Some(authorization) = self.known.lock().await.authorization.clone() {
            ask.headers.push((AUTHORIZATION, authorization));
        }
        let (stream, reach) = self.connector.connect(&self.origin, None).await?;
        self.known.lock().await.reach.get_or_insert(reach);
        exchange(&self.origin, stream, &ask).await
    }

    /// Asks somebody whom the registry has named.
    async fn ask_other(&self, ask: &Ask) -> Result<Answer, RegistryError> {
        let origin = Origin::of(&ask.url, &self.access)?;
        // Nobody is named before the registry was reached.
        let reach = self.known.lock().await.reach.unwrap_or(Reach::Public);
        let (stream, _) = self.connector.connect(&origin, Some((&self.origin, reach))).await?;
        exchange(&origin, stream, ask).await
    }

    async fn follow(&self, mut ask: Ask, mut answer: Answer) -> Result<Answer, RegistryError> {
        let elsewhere = |reason| RegistryError::Redirect { host: self.origin.to_string(), reason };
        for _ in 0..REDIRECTS {
            let location = answer.header(LOCATION).ok_or_else(|| elsewhere("it does not say where"))?;
            let next = ask.url.join(location).map_err(|_| elsewhere("to no place"))?;
            if ask.url.scheme() == "https" && next.scheme() != "https" {
                return Err(elsewhere("from TLS to plain text"));
            }
            ask.url = next;
            // No header of ours says who we are: those are for the registry alone.
            answer = if Origin::of(&ask.url, &self.access)? == self.origin {
                self.ask_itself(&ask).await?
            } else {
                self.ask_other(&ask).await?
            };
            if !answer.status.is_redirection() {
                return Ok(answer);
            }
        }
        Err(elsewhere("again and again"))
    }

    /// Gets what the registry wants to be shown.
    async fn authorize(&self, answer: &Answer, right: Right) -> Result<(), RegistryError> {
        let wanted = answer.headers.get_all(WWW_AUTHENTICATE).iter();
        let wanted: Vec<Challenge> =
            wanted.filter_map(|value| Challenge::parse(value.to_str().ok()?)).collect();
        let bearer = wanted.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
        let text = match (bearer.or(wanted.first()), &self.access.credentials) {
            (Some(Challenge::Bearer { realm, service }), _) => {
                format!("Bearer {}", self.fetch_token(realm, service.as_deref(), right).await?)
            }
            (Some(Challenge::Basic), Some(credentials)) => basic(credentials),
            (Some(Challenge::Basic), None) | (None, _) => return Err(self.unauthorized()),
        };
        self.known.lock().await.authorization = Some(self.secret_header(&text)?);
        Ok(())
    }

    async fn fetch_token(
        &self,
        realm: &str,
        service: Option<&str>,
        right: Right,
    ) -> Result<String, RegistryError> {
        let mut url = Url::parse(realm).map_err(|_| self.malformed("a place for tokens that is none"))?;
        let rights = match right {
            Right::Pull => "pull",
            Right::Push => "pull,push",
        };
        let scope = format!("repository:{}:{rights}", self.repository.name());
        let pairs =
            service.map(|service| ("service", service)).into_iter().chain([("scope", scope.as_str())]);
        url.query_pairs_mut().extend_pairs(pairs);
        let mut headers = Vec::new();
        if let Some(credentials) = &self.access.credentials {
            headers.push((AUTHORIZATION, self.secret_header(&basic(credentials))?));
        }
        let ask = Ask { headers, ..Ask::get(url, "a token", TOKEN_BYTES) };
        let answer = self.ask_other(&ask).await?;
        match answer.status {
            StatusCode::OK => token(&answer.body).ok_or_else(|| self.malformed("a token that is none")),
            _ => Err(self.unauthorized()),
        }
    }

    fn secret_header(&self, text: &str) -> Result<HeaderValue, RegistryError> {
        let mut value =
            HeaderValue::from_str(text).map_err(|_| self.malformed("credentials that no header can hold"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn unauthorized(&self) -> RegistryError {
        RegistryError::Unauthorized {
            host: self.origin.to_string(),
            repository: self.repository.name().to_owned(),
        }
    }
}

impl Ask {
    /// Asks for something.
    pub(crate) const fn get(url: Url, what: &'static str, most: usize) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: Bytes::new(), what, most }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    code: String,
}

/// The first error's code, if it is of the specification's form. Its message is the registry's to choose, and
/// would be printed on a terminal.
fn error_code(body: &[u8]) -> Option<String> {
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let code = errors.errors.into_iter().next()?.code;
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    (code.len() <= 40 && code.bytes().all(plain)).then_some(code)
}
