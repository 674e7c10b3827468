//! The host's HTTP door: health, and hooks called by the host platform.
//!
//! *Invariant:* the tenant comes from the bearer token and from nowhere else; a workspace of another
//! tenant looks exactly like one that does not exist. No error body holds internal text.
//!
//! Start reading at [`router`]; [`token`] says who may come in.

mod health;
mod hooks;
mod problem;
pub mod token;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tower_http::limit::RequestBodyLimitLayer;

pub use applet_types::{CallError, HookRequest, Hooks, Reply};

use crate::token::Verifier;

#[derive(Clone)]
struct Door {
    hooks: Arc<dyn Hooks>,
    verifier: Arc<Verifier>,
}

/// All routes.
pub fn router(hooks: Arc<dyn Hooks>, verifier: Verifier) -> Router {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/api/v2/workspaces/{workspace}/applets/{applet}/hooks/{hook}", post(hooks::call))
        .fallback(problem::no_such_route)
        .layer(RequestBodyLimitLayer::new(HookRequest::LARGEST_PAYLOAD))
        .with_state(Door { hooks, verifier: Arc::new(verifier) })
}
