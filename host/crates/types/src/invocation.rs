//! One call of a hook: who, for whom, with which grants, until when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{
    AppletId, ErrorCode, Failure, Grants, InstallationId, Limits, RequestId, TenantId, UserId, Version,
    WorkspaceId,
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

/// Counters of one invocation, shared by everything that works for it.
#[derive(Debug, Default)]
pub struct Budget {
    statements: AtomicU32,
    host_calls: AtomicU32,
    result_bytes: AtomicU64,
    rows: AtomicU64,
    database_us: AtomicU64,
}

impl Budget {
    /// Counts a statement.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::TooManyStatements`] beyond `limit`.
    pub fn statement(&self, limit: u32) -> Result<(), Failure> {
        if self.statements.fetch_add(1, Ordering::Relaxed) < limit {
            Ok(())
        } else {
            Err(Failure::new(
                ErrorCode::TooManyStatements,
                format!("an invocation may send at most {limit} statements"),
            ))
        }
    }

    /// Counts a call from the guest into the host; `false` beyond `limit`.
    pub fn host_call(&self, limit: u32) -> bool {
        self.host_calls.fetch_add(1, Ordering::Relaxed) < limit
    }

    /// Counts a result's rows and bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::BudgetSpent`] when all results together are larger than `limit` bytes.
    pub fn result(&self, rows: u64, bytes: usize, limit: usize) -> Result<(), Failure> {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        let before = self.result_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if before + bytes as u64 <= limit as u64 {
            Ok(())
        } else {
            Err(Failure::new(
                ErrorCode::BudgetSpent,
                format!("the results of one invocation may have at most {limit} bytes"),
            ))
        }
    }

    /// Counts time spent in the database.
    pub fn database(&self, spent: Duration) {
        self.database_us.fetch_add(u64::try_from(spent.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Statements counted so far.
    pub fn statements(&self) -> u32 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Host calls counted so far.
    pub fn host_calls(&self) -> u32 {
        self.host_calls.load(Ordering::Relaxed)
    }

    /// Rows handed to the guest so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Time spent in the database so far.
    pub fn database_time(&self) -> Duration {
        Duration::from_micros(self.database_us.load(Ordering::Relaxed))
    }
}
