//! What a hook's payload means as a request.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::{Fields, is_token};

/// What a payload looks like, for who got it wrong.
pub(super) const HINT: &str = "send `null` or an object such as {\"method\": \"POST\", \"path\": \"/notes?limit=3\", \
                               \"headers\": {\"accept\": \"application/json\"}, \"body\": {\"title\": \"x\"}}";

/// The longest path.
const LONGEST_PATH: usize = 8 << 10;

/// Whom the component takes itself for. It is reached under no name.
const AUTHORITY: &str = "localhost";

/// A request, as a component gets to see it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Fields,
    /// Until the component takes it.
    pub(super) body: Option<Bytes>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "a request")]
struct Payload {
    method: Option<String>,
    path: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Header>,
    body: Option<Box<RawValue>>,
    body_base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Header {
    One(String),
    Many(Vec<String>),
}

impl Request {
    /// The authority that it is for.
    pub(super) const fn authority(&self) -> &'static str {
        AUTHORITY
    }

    /// Reads a payload. Without a path it is for the path of the hook's own name; without a method it is GET, or
    /// POST when there is a body.
    pub(super) fn read(hook: &str, payload: &str) -> Result<Self, String> {
        let payload: Option<Payload> =
            serde_json::from_str(payload).map_err(|error| format!("the payload is no request: {error}"))?;
        let payload = payload.unwrap_or_default();
        let (body, is_json) = body(payload.body.as_deref(), payload.body_base64.as_deref())?;
        let method = match payload.method {
            Some(method) if is_token(&method) => method.to_ascii_uppercase(),
            Some(_) => return Err("`method` is no HTTP method".to_owned()),
            None => if body.is_some() { "POST" } else { "GET" }.to_owned(),
        };
        let path = payload.path.unwrap_or_else(|| format!("/{hook}"));
        let sound = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !sound || path.len() > LONGEST_PATH {
            return Err("`path` does not begin with `/`, is too long, or has characters that need %-escapes"
                .to_owned());
        }
        let headers = headers(payload.headers, &path, body.as_ref().map(Bytes::len), is_json)?;
        Ok(Self { method, path, headers: headers.freeze(), body: Some(body.unwrap_or_default()) })
    }
}

/// The body, and whether it is JSON. A text is sent as it is, anything else as JSON.
fn body(json: Option<&RawValue>, base64: Option<&str>) -> Result<(Option<Bytes>, bool), String> {
    match (json, base64) {
        (Some(_), Some(_)) => Err("`body` and `bodyBase64` exclude each other".to_owned()),
        (None, None) => Ok((None, false)),
        (None, Some(text)) => {
            let bytes = STANDARD.decode(text).map_err(|_| "`bodyBase64` is not base64".to_owned())?;
            Ok((Some(bytes.into()), false))
        }
        (Some(json), None) => match serde_json::from_str::<String>(json.get()) {
            Ok(text) => Ok((Some(text.into()), false)),
            Err(_) => Ok((Some(Bytes::copy_from_slice(json.get().as_bytes())), true)),
        },
    }
}

/// The caller's headers, and those that a component of Spin's expects.
fn headers(
    given: BTreeMap<String, Header>,
    path: &str,
    length: Option<usize>,
    is_json: bool,
) -> Result<Fields, String> {
    let mut fields = Fields::default();
    for (name, header) in given {
        let values = match header {
            Header::One(value) => vec![value],
            Header::Many(values) => values,
        };
        for value in values {
            fields
                .append(&name, value.into_bytes())
                .map_err(|_| format!("the header `{name}` cannot be sent, or there are too many"))?;
        }
    }
    let route = path.split('?').next().unwrap_or_default();
    let mut add = |name: &str, value: String| {
        if fields.has(name) {
            return Ok(());
        }
        fields.append(name, value.into_bytes()).map_err(|_| "there are too many headers".to_owned())
    };
    add("host", AUTHORITY.to_owned())?;
    if let Some(length) = length {
        add("content-length", length.to_string())?;
    }
    if is_json {
        add("content-type", "application/json".to_owned())?;
    }
    add("spin-full-url", format!("http://{AUTHORITY}{path}"))?;
    add("spin-path-info", route.to_owned())?;
    for (name, value) in [
        ("spin-base-path", "/"),
        ("spin-matched-route", "/..."),
        ("spin-raw-component-route", "/..."),
        ("spin-component-route", "/"),
    ] {
        add(name, value.to_owned())?;
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &str) -> Result<Request, String> {
        Request::read("notes", payload)
    }

    /// Spec: F15
    #[test]
    fn f15_a_payload_without_details_is_a_get_of_the_hooks_name() {
        for payload in ["null", "{}"] {
            let request = read(payload).unwrap();
            assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/notes"));
            assert_eq!(request.body.as_deref(), Some(&b""[..]));
        }
    }

    /// Spec: F15
    #[test]
    fn f15_a_payload_says_method_path_headers_and_body() {
        let payload =
            r#"{"method":"put","path":"/a/b?c=%20d","headers":{"X-A":["1","2"]},"body":{"n":1.50}}"#;
        let request = read(payload).unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("PUT", "/a/b?c=%20d"));
        assert_eq!(request.body.as_deref(), Some(&br#"{"n":1.50}"#[..]), "as it was written");
        assert_eq!(request.headers.get("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
        let one = |name: &str| {
            request.headers.get(name).next().map(|value| String::from_utf8_lossy(value).into_owned())
        };
        assert_eq!(one("content-type").as_deref(), Some("application/json"));
        assert_eq!(one("content-length").as_deref(), Some("10"));
        assert_eq!(one("spin-full-url").as_deref(), Some("http://localhost/a/b?c=%20d"));
        assert_eq!(one("spin-path-info").as_deref(), Some("/a/b"));
        let text = read(r#"{"body":"a\nb"}"#).unwrap();
        assert_eq!((text.method.as_str(), text.body.as_deref()), ("POST", Some(&b"a\nb"[..])));
        let bytes = read(r#"{"bodyBase64":"AP8="}"#).unwrap();
        assert_eq!(bytes.body.as_deref(), Some(&[0, 255][..]));
    }

    /// Spec: F15
    #[test]
    fn f15_a_payload_that_is_no_request_is_refused() {
        for payload in [
            "1",
            r#"{"url":"http://other"}"#,
            r#"{"path":"http://other/"}"#,
            r#"{"path":"/a b"}"#,
            r#"{"path":"/a\r\nx: y"}"#,
            r#"{"path":"/a#b"}"#,
            r#"{"method":"GET /"}"#,
            r#"{"headers":{"a b":"c"}}"#,
            r#"{"headers":{"a":"b\r\nc: d"}}"#,
            r#"{"bodyBase64":"?"}"#,
            r#"{"body":1,"bodyBase64":"AA=="}"#,
        ] {
            assert!(read(payload).is_err(), "{payload}");
        }
    }
}
