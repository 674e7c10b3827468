//! A response as the answer of a hook.

use std::collections::BTreeMap;

use applet_types::{ErrorCode, Failure, HookError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::body::TooLong;
use super::{Fields, Response};
use crate::fault;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: u16,
    headers: BTreeMap<String, Header>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Header {
    One(String),
    Many(Vec<String>),
}

/// Status, headers and body. JSON is handed on as it is, other text as a JSON string, bytes as base64.
pub(super) fn text(response: &Response) -> Result<String, HookError> {
    let bytes = response.body.bytes().map_err(|TooLong| {
        HookError::from(Failure::new(
            ErrorCode::ResultTooLarge,
            "the response is larger than an answer may be",
        ))
    })?;
    let unsaid = |error: serde_json::Error| HookError::from(fault::internal("http.answer", &error));
    let (mut body, mut body_base64) = (None, None);
    match String::from_utf8(bytes) {
        Ok(text) if text.is_empty() => {}
        Ok(text) => {
            let json = if is_json(&response.headers) { serde_json::from_str(&text).ok() } else { None };
            body = Some(match json {
                Some(json) => json,
                None => serde_json::value::to_raw_value(&text).map_err(unsaid)?,
            });
        }
        Err(error) => body_base64 = Some(STANDARD.encode(error.as_bytes())),
    }
    let headers = headers(&response.headers);
    let answer = Answer { status: response.status, headers, body, body_base64 };
    serde_json::to_string(&answer).map_err(unsaid)
}

fn is_json(headers: &Fields) -> bool {
    let essence = |value: &[u8]| {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        value.split(';').next().unwrap_or_default().trim().to_owned()
    };
    headers.get("content-type").map(essence).any(|kind| kind == "application/json" || kind.ends_with("+json"))
}

fn headers(fields: &Fields) -> BTreeMap<String, Header> {
    let mut headers = BTreeMap::new();
    for (name, value) in fields.entries() {
        let value = String::from_utf8_lossy(value).into_owned();
        match headers.remove(name) {
            None => headers.insert(name.clone(), Header::One(value)),
            Some(Header::One(first)) => headers.insert(name.clone(), Header::Many(vec![first, value])),
            Some(Header::Many(mut values)) => {
                values.push(value);
                headers.insert(name.clone(), Header::Many(values))
            }
        };
    }
    headers
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wasmtime_wasi::p2::OutputStream as _;

    use super::super::body::{Allowance, Body};
    use super::*;

    fn answer(kind: &str, body: &[u8]) -> String {
        let mut headers = Fields::default();
        headers.append("content-type", kind.into()).unwrap();
        let written = Body::new(Allowance::of(100));
        written.clone().write(Bytes::copy_from_slice(body)).unwrap();
        text(&Response { status: 200, headers, body: written, body_taken: true }).unwrap()
    }

    /// Spec: F15
    #[test]
    fn f15_a_response_is_an_answer_in_json_whatever_its_body() {
        let with = |kind: &str, rest: &str| {
            format!(r#"{{"status":200,"headers":{{"content-type":"{kind}"}}{rest}}}"#)
        };
        let json = "application/json; charset=utf-8";
        assert_eq!(answer(json, b"{\"a\":1.50}"), with(json, r#","body":{"a":1.50}"#));
        assert_eq!(answer(json, b"{broken"), with(json, r#","body":"{broken""#), "what it is not, it is not");
        assert_eq!(answer("text/plain", b"1"), with("text/plain", r#","body":"1""#));
        assert_eq!(answer("image/png", &[0, 255]), with("image/png", r#","bodyBase64":"AP8=""#));
        assert_eq!(answer("text/plain", b""), with("text/plain", ""));
    }
}
