//! How hooks are called while an applet is developed: by the path and token that the platform would use, or
//! by the short path `/{tenant}/{hook}`, which needs none.
//!
//! *Invariant:* the short path is for programs on this machine. It is only there when the listener is bound to
//! a loopback address; a name that leads here from elsewhere (DNS rebinding) and a page of another site in the
//! developer's browser are refused.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use applet_api::token::{Caller, Role, TokenKey};
use applet_api::{HookRequest, Hooks, Reply};
use applet_types::{AppletId, UserId, is_loopback};
use async_trait::async_trait;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{TimeDelta, Utc};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt as _;
use uuid::Uuid;

use super::say::{self, Answered};
use crate::demo_data::{DemoTenant, TENANTS};
use crate::opening::told;
use crate::output::{CommandError, Output};
use crate::project::Manifest;
use crate::seen::Seen;
use crate::service::Service;

/// How long calls that run may take to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(2);

/// What runs at the moment, for the door: it changes with every reload.
#[derive(Clone, Default)]
pub(crate) struct Current(Arc<RwLock<Option<Manifest>>>);

impl Current {
    /// Says what runs now.
    pub(crate) fn set(&self, manifest: Option<Manifest>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = manifest;
    }

    fn get(&self) -> Option<Manifest> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The service, with somebody who says what happens.
struct Watched {
    service: Arc<Service>,
    seen: Arc<Seen>,
    current: Current,
    output: Output,
}

#[async_trait]
impl Hooks for Watched {
    async fn call(&self, caller: &Caller, request: HookRequest) -> Reply {
        let began = Instant::now();
        let hook = request.hook.to_string();
        let (reply, invocation) = self.service.invoke(caller, request).await;
        let sights = invocation.map(|call| self.seen.take(call.request)).unwrap_or_default();
        let tenant = TENANTS.iter().find(|tenant| tenant.tenant == caller.tenant);
        let answered = Answered {
            tenant: tenant.map_or("another tenant", |tenant| tenant.short),
            hook: &hook,
            outcome: say::outcome(&reply),
            took: began.elapsed(),
            sights: &sights,
        };
        say::request(self.output, &answered, self.current.get().as_ref());
        reply
    }

    async fn ready(&self) -> Result<(), String> {
        self.service.ready().await
    }
}

#[derive(Clone)]
struct Short {
    api: Router,
    key: Arc<TokenKey>,
    current: Current,
    address: SocketAddr,
}

/// Everything behind the door.
pub(crate) struct Door {
    pub(crate) service: Arc<Service>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) key: TokenKey,
    pub(crate) current: Current,
    pub(crate) output: Output,
}

impl Door {
    /// Opens it on a listener, until `stop` says so.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), CommandError> {
        let Self { service, seen, key, current, output } = self;
        let address = listener.local_addr().map_err(told)?;
        let hooks = Watched { service, seen, current: current.clone(), output };
        let api = applet_api::router(Arc::new(hooks), key.verifier());
        let router = if address.ip().is_loopback() {
            let short = Short { api: api.clone(), key: Arc::new(key), current, address };
            let routes = Router::new().route("/", get(hooks_there)).route("/{tenant}/{hook}", post(call));
            routes.with_state(short).merge(api)
        } else {
            api
        };
        let mut asked = stop.clone();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
            // An error means that the sender is gone, which is a stop as well.
            let _changed = asked.wait_for(|&stop| stop).await;
        });
        let serving = serving.into_future();
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return ended.map_err(told),
            _stop = stop.wait_for(|&stop| stop) => {}
        }
        match tokio::time::timeout(DRAIN, serving).await {
            Ok(ended) => ended.map_err(told),
            Err(_) => Ok(()),
        }
    }
}

/// `POST /{tenant}/{hook}`: the same as the platform's path, with its token.
async fn call(
    State(short): State<Short>,
    Path((tenant, hook)): Path<(String, String)>,
    request: Request,
) -> Response {
    if let Err(refused) = from_here(request.headers(), short.address) {
        return refused;
    }
    let Some(tenant) = DemoTenant::called(&tenant) else {
        let names = TENANTS.map(|tenant| format!("`{}`", tenant.short)).join(" and ");
        return problem(StatusCode::NOT_FOUND, &format!("there is no tenant `{tenant}`: there are {names}"));
    };
    let Some(manifest) = short.current.get() else {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "nothing runs yet: look at the output of `applet dev`",
        );
    };
    match forwarded(&short, tenant, manifest.valid.id(), &hook) {
        Ok((uri, token)) => {
            let (head, body) = request.into_parts();
            // A request of its own: what this path's routing has noted would confuse the other's.
            let mut request = Request::new(body);
            *request.method_mut() = head.method;
            *request.uri_mut() = uri;
            *request.headers_mut() = head.headers;
            request.headers_mut().insert(header::AUTHORIZATION, token);
            short.api.oneshot(request).await.into_response()
        }
        Err(reason) => problem(StatusCode::BAD_REQUEST, &reason),
    }
}

fn forwarded(
    short: &Short,
    tenant: &DemoTenant,
    applet: &AppletId,
    hook: &str,
) -> Result<(Uri, HeaderValue), String> {
    let caller = Caller { tenant: tenant.tenant, user: UserId::new(Uuid::nil()), role: Role::Platform };
    let token =
        short.key.issue(&caller, Utc::now(), TimeDelta::minutes(5)).map_err(|error| error.to_string())?;
    let path = format!("/api/v2/workspaces/{}/applets/{applet}/hooks/{hook}", tenant.workspace);
    let uri = path.parse().map_err(|_| format!("`{hook}` is not the name of a hook"))?;
    let token = HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| error.to_string())?;
    Ok((uri, token))
}

/// `GET /`: what can be called.
async fn hooks_there(State(short): State<Short>, headers: HeaderMap) -> Response {
    if let Err(refused) = from_here(&headers, short.address) {
        return refused;
    }
    let manifest = short.current.get();
    let hooks = manifest.iter().flat_map(|manifest| manifest.valid.hooks().named());
    let hooks: Vec<&str> = hooks.map(|hook| hook.name().as_str()).collect();
    let tenants = TENANTS.map(|tenant| tenant.short);
    json_response(
        StatusCode::OK,
        &json!({ "tenants": tenants, "hooks": hooks, "call": "POST /{tenant}/{hook}" }),
    )
}

/// Lets in what was sent to this machine by its name for itself, and by no page of another site.
fn from_here(headers: &HeaderMap, address: SocketAddr) -> Result<(), Response> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(header::HOST).is_some_and(|host| is_this_machine(host, address));
    let origin = match headers.get(header::ORIGIN) {
        None => true,
        Some(_) => text(header::ORIGIN)
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, host)| is_this_machine(host, address)),
    };
    if host && origin {
        return Ok(());
    }
    Err(problem(StatusCode::FORBIDDEN, "only programs on this machine may call hooks by this path"))
}

fn is_this_machine(host: &str, address: SocketAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    is_loopback(name) || name.trim_matches(['[', ']']) == address.ip().to_string()
}

fn problem(status: StatusCode, detail: &str) -> Response {
    json_response(status, &json!({ "status": status.as_u16(), "detail": detail }))
}

fn json_response(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn f13_the_short_path_is_for_programs_on_this_machine() {
        let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let lets_in = |pairs: &[_]| from_here(&headers(pairs), address).is_ok();
        assert!(lets_in(&[(header::HOST, "127.0.0.1:8080")]));
        assert!(lets_in(&[(header::HOST, "localhost:8080"), (header::ORIGIN, "http://localhost:3000")]));
        assert!(!lets_in(&[]), "without a host nobody knows whom it was meant for");
        assert!(!lets_in(&[(header::HOST, "evil.example:8080")]), "a name that leads here");
        assert!(!lets_in(&[(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, "https://evil.example")]));
        assert!(!lets_in(&[(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, "null")]), "a sandboxed page");
        assert!(!lets_in(&[(header::HOST, "127.0.0.1.evil.example")]));
    }
}
