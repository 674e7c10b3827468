//! One request and its answer, on a connection of its own.
//!
//! *Invariant:* an answer's head is at most 64 KiB, its body as long as whoever asks allows, and both come
//! within a time; what goes beyond is dropped with the connection.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

use crate::RegistryError;
use crate::connect::Stream;
use crate::origin::Origin;

/// How long a server may think, and be silent in the middle of a body.
const SILENCE: Duration = Duration::from_secs(60);

/// How long one exchange may take: a package at a slow line, and not for ever by one byte a minute.
const WHOLE: Duration = Duration::from_secs(15 * 60);

/// Bytes of an answer's head, and how many headers.
const HEAD_BYTES: usize = 64 << 10;
const HEADERS: usize = 64;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// What is expected in the body of the answer, and how much of it.
    pub(crate) what: &'static str,
    pub(crate) most: usize,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header that can be read as text.
    pub(crate) fn header(&self, name: impl hyper::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The task that moves a connection's bytes; it ends with the exchange.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks over a fresh stream.
pub(crate) async fn exchange(
    origin: &Origin,
    stream: Box<dyn Stream>,
    ask: &Ask,
) -> Result<Answer, RegistryError> {
    let late = || RegistryError::Timeout(origin.to_string());
    timeout(WHOLE, run(origin, stream, ask)).await.map_err(|_| late())?
}

async fn run(origin: &Origin, stream: Box<dyn Stream>, ask: &Ask) -> Result<Answer, RegistryError> {
    let broken = |error: hyper::Error| RegistryError::Unreachable {
        host: origin.to_string(),
        reason: error.to_string(),
    };
    let late = || RegistryError::Timeout(origin.to_string());
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let _driver = Driver(tokio::spawn(async move {
        // Whoever waits for the answer is told what broke.
        let _broken = connection.await;
    }));
    let request = request(origin, ask)?;
    // Sending a body can take longer than an answer; the whole has its own bound.
    let patience = if ask.body.is_empty() { SILENCE } else { WHOLE };
    let answer =
        timeout(patience, sender.send_request(request)).await.map_err(|_| late())?.map_err(broken)?;
    let (head, body) = answer.into_parts();
    let body = collect(origin, ask, body).await?;
    Ok(Answer { status: head.status, headers: head.headers, body })
}

fn request(origin: &Origin, ask: &Ask) -> Result<Request<Full<Bytes>>, RegistryError> {
    let malformed =
        || RegistryError::Malformed { host: origin.to_string(), reason: "a place that cannot be asked for" };
    let path = match ask.url.query() {
        Some(query) => format!("{}?{query}", ask.url.path()),
        None => ask.url.path().to_owned(),
    };
    // The port is left out where it goes without saying, as servers that compare names expect.
    let host = match ask.url.port() {
        Some(port) => format!("{}:{port}", origin.host),
        None => origin.host.to_string(),
    };
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(path)
        .header(HOST, host)
        .header(USER_AGENT, concat!("applet/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(ask.body.clone()))
        .map_err(|_| malformed())?;
    for (name, value) in &ask.headers {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    if ask.method == Method::POST {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(ask.body.len()));
    }
    Ok(request)
}

async fn collect(origin: &Origin, ask: &Ask, mut body: Incoming) -> Result<Vec<u8>, RegistryError> {
    let too_large = || RegistryError::TooLarge { host: origin.to_string(), what: ask.what, most: ask.most };
    let most = u64::try_from(ask.most).unwrap_or(u64::MAX);
    if ask.method != Method::HEAD && body.size_hint().lower() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    loop {
        let frame = timeout(SILENCE, body.frame()).await;
        let Some(frame) = frame.map_err(|_| RegistryError::Timeout(origin.to_string()))? else {
            return Ok(bytes);
        };
        let frame = frame.map_err(|error| RegistryError::Unreachable {
            host: origin.to_string(),
            reason: error.to_string(),
        })?;
        // Trailers say nothing that is gone by.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > ask.most - bytes.len() {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
}
