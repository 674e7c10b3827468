//! Calls of hooks, as doors hand them on: who calls, what is wanted, what became of it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Actor, AppletId, Failure, HookError, HookName, TenantId, Usage, UserId, WorkspaceId};

/// What somebody is to a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Decides about applets.
    Admin,
    /// Uses applets.
    Member,
    /// The host platform itself.
    Platform,
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "admin" => Ok(Self::Admin),
            "member" => Ok(Self::Member),
            "platform" => Ok(Self::Platform),
            _ => Err(format!("`{text}` is not a role: admin, member, platform")),
        }
    }
}

/// Who calls. *Invariant:* made of a valid token, or by a platform that has the host in its own process and
/// knows whom it has let in; never of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The tenant they act in.
    pub tenant: TenantId,
    /// Who they are.
    pub user: UserId,
    /// What they are to the tenant.
    pub role: Role,
}

impl Caller {
    /// An admin of a tenant: decides about its applets.
    pub const fn admin(tenant: TenantId, user: UserId) -> Self {
        Self { tenant, user, role: Role::Admin }
    }

    /// A member of a tenant: calls hooks.
    pub const fn member(tenant: TenantId, user: UserId) -> Self {
        Self { tenant, user, role: Role::Member }
    }

    /// The platform itself, for a tenant: calls hooks and carries out what the tenant's admins have decided.
    pub const fn platform(tenant: TenantId) -> Self {
        Self { tenant, user: UserId::new(Uuid::nil()), role: Role::Platform }
    }

    /// On whose behalf an invocation runs.
    pub const fn actor(&self) -> Actor {
        match self.role {
            Role::Platform => Actor::Platform,
            Role::Admin | Role::Member => Actor::User(self.user),
        }
    }
}

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

impl HookRequest {
    /// Bytes of a payload at most (LIMITS-AND-FAULTS section 3, "API body").
    pub const LARGEST_PAYLOAD: usize = 1 << 20;

    /// The language of a caller who names none.
    pub const DEFAULT_LOCALE: &'static str = "en";

    /// Whether this is a language that a caller may name: a tag as BCP 47 has it, at most 35 characters.
    pub fn is_locale(tag: &str) -> bool {
        let plain = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain && (1..=35).contains(&tag.len())
    }
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

/// What stands behind every door that hooks are called through.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Calls a hook on behalf of `caller`, in their tenant.
    async fn call(&self, caller: &Caller, request: HookRequest) -> Reply;

    /// Whether calls can be served right now; the reason when not, for the operator's eyes.
    async fn ready(&self) -> Result<(), String>;
}
