//! One call of a hook: who, for whom, with which grants, until when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{
    AppletId, Budget, ErrorCode, Failure, Grants, InstallationId, Limits, RequestId, TenantId, UserId,
    Variables, Version, WorkspaceId,
};

/// Who asks: an invocation runs on behalf of a user, of the platform itself, or of a person at a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A user of the tenant.
    User(UserId),
    /// The host platform.
    Platform,
}

impl Actor {
    /// The user, if there is one.
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Platform => None,
        }
    }
}

/// One call of a hook. *Invariant:* the tenant was taken from the caller's token (or the admin's command
/// line) by whoever made this; nothing a guest, a manifest or a request body says can change it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Follows the call through logs and audit.
    pub request: RequestId,
    /// Whose rows.
    pub tenant: TenantId,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Which applet.
    pub applet: AppletId,
    /// In which version.
    pub version: Version,
    /// Installed as.
    pub installation: InstallationId,
    /// On whose behalf.
    pub actor: Actor,
    /// The user's language, a BCP 47 tag.
    pub locale: String,
    /// What the installation may do.
    pub grants: Arc<Grants>,
    /// What it is held to.
    pub limits: Arc<Limits>,
    /// What its component may look up.
    pub variables: Arc<Variables>,
    /// When everything has to be over. Monotonic, so that a jump of the clock moves nothing.
    pub deadline: Instant,
    /// What it has used so far.
    pub budget: Arc<Budget>,
}

impl Invocation {
    /// Time left until the deadline.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Deadline`] when none is left.
    pub fn time_left(&self, now: Instant) -> Result<Duration, Failure> {
        self.deadline
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
            .ok_or_else(|| Failure::new(ErrorCode::Deadline, "the invocation's time is over"))
    }
}
