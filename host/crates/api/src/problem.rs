//! Errors as RFC 9457 problem documents.

use applet_types::{ErrorCode, Failure, HookError};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::CallError;

/// A problem document. `code` is the stable part; `detail` is for people.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applet_code: Option<String>,
    #[serde(skip)]
    retry_after_ms: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:applet-host:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            hint: None,
            applet_code: None,
            retry_after_ms: None,
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let status =
            StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut problem = Self::new(status, failure.code.as_str(), failure.message);
        problem.hint = failure.hint;
        problem.retry_after_ms =
            failure.retry_after_ms.or_else(|| (status == StatusCode::TOO_MANY_REQUESTS).then_some(1_000));
        problem
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotInstalled(_) => Self::new(StatusCode::NOT_FOUND, "not-found", error.to_string()),
            CallError::Hook(HookError::Host(failure)) => failure.into(),
            CallError::Hook(HookError::NoSuchHook(hook)) => {
                Self::new(StatusCode::NOT_FOUND, "no-such-hook", format!("the applet has no hook `{hook}`"))
            }
            CallError::Hook(HookError::Applet { code, message }) => {
                let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "applet-error", message);
                problem.applet_code = Some(code);
                problem
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(milliseconds) = self.retry_after_ms {
            // Whole seconds are all that HTTP has; never zero, which would mean "at once".
            let seconds = milliseconds.div_ceil(1_000).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Any path that is none of ours.
pub(crate) async fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path")
}

/// A body or path that cannot be read.
pub(crate) fn bad_request(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, ErrorCode::BadParameter.as_str(), detail)
}
