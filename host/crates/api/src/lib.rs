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

use applet_types::{AppletId, Failure, HookError, HookName, Usage, WorkspaceId};
use async_trait::async_trait;
use axum::Router;
use axum::routing::{get, post};
use tower_http::limit::RequestBodyLimitLayer;

use crate::token::{Caller, Verifier};

/// Largest request body in bytes (LIMITS-AND-FAULTS section 3, "API body").
const BODY_LIMIT: usize = 1 << 20;

/// A hook that somebody wants called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRequest {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Of which applet.
    pub applet: AppletId,
    /// Which hook.
    pub hook: HookName,
    /// JSON text.
    pub payload: String,
    /// The caller's language.
    pub locale: String,
}

/// Why a hook gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No such workspace for this tenant, or no such applet installed in it.
    #[error("no applet `{0}` is installed in this workspace")]
    NotInstalled(AppletId),
    /// The call was made and failed.
    #[error(transparent)]
    Hook(#[from] HookError),
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Hook(failure.into())
    }
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What the hook gave, or why it gave nothing.
    pub answer: Result<String, CallError>,
    /// What the invocation has used, if there was one (F4).
    pub usage: Option<Usage>,
}

impl Reply {
    /// There was no invocation.
    pub fn refused(error: impl Into<CallError>) -> Self {
        Self { answer: Err(error.into()), usage: None }
    }
}

/// What stands behind this door.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Calls a hook on behalf of `caller`, in the tenant of their token.
    async fn call(&self, caller: &Caller, request: HookRequest) -> Reply;

    /// Whether calls can be served right now; the reason when not, for the operator's eyes.
    async fn ready(&self) -> Result<(), String>;
}

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
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .with_state(Door { hooks, verifier: Arc::new(verifier) })
}
