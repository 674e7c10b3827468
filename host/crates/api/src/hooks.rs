//! `POST /api/v2/workspaces/{workspace}/applets/{applet}/hooks/{hook}`: JSON in, JSON out.

use applet_types::{AppletId, HookName, WorkspaceId};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::IgnoredAny;

use crate::problem::{Problem, bad_request};
use crate::token::Caller;
use crate::usage;
use crate::{Door, HookRequest};

pub(crate) async fn call(
    State(door): State<Door>,
    Path((workspace, applet, hook)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let caller = authenticate(&door, &headers)?;
    let request = HookRequest {
        workspace: workspace.parse::<WorkspaceId>().map_err(|_| unknown_workspace())?,
        applet: applet.parse::<AppletId>().map_err(|error| bad_request(error.to_string()))?,
        hook: hook.parse::<HookName>().map_err(|error| bad_request(error.to_string()))?,
        payload: payload(&body)?,
        locale: locale(&headers),
    };
    let reply = door.hooks.call(&caller, request).await;
    let mut response = match reply.answer {
        Ok(answer) => (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(error) => Problem::from(error).into_response(),
    };
    if let Some(value) = reply.usage.as_ref().and_then(usage::header) {
        response.headers_mut().insert(usage::NAME, value);
    }
    Ok(response)
}

fn authenticate(door: &Door, headers: &HeaderMap) -> Result<Caller, Problem> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| unauthorized("send a bearer token; `applet token` makes one"))?;
    door.verifier.verify(token).map_err(|error| unauthorized(&error.to_string()))
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn unknown_workspace() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "there is no such workspace")
}

/// The body has to be JSON; an empty one is `null`.
fn payload(body: &Bytes) -> Result<String, Problem> {
    if body.is_empty() {
        return Ok("null".to_owned());
    }
    let text = std::str::from_utf8(body).map_err(|_| bad_request("the body is not UTF-8"))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        bad_request(format!("the body is not JSON: line {}, column {}", error.line(), error.column()))
    })?;
    Ok(text.to_owned())
}

fn locale(headers: &HeaderMap) -> String {
    headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split([',', ';']).next())
        .map(str::trim)
        .filter(|tag| HookRequest::is_locale(tag))
        .unwrap_or(HookRequest::DEFAULT_LOCALE)
        .to_owned()
}
