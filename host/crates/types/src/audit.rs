//! What is written down about every operation and every denial (SPEC S4.67-69).

use std::time::Duration;

use crate::{AppletId, ErrorCode, InstallationId, Operation, RequestId, TenantId, UserId, WorkspaceId};

/// What was done, or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditedOperation {
    /// A statement of this kind.
    Statement(Operation),
    /// A statement that the gate could not even classify.
    Rejected,
}

impl AuditedOperation {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Statement(operation) => operation.as_str(),
            Self::Rejected => "rejected",
        }
    }
}

/// One line of the audit trail. *Invariant:* holds no parameter value and no literal of a statement.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// The invocation.
    pub request: RequestId,
    /// The tenant whose trail it belongs to.
    pub tenant: TenantId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The applet.
    pub applet: AppletId,
    /// The installation.
    pub installation: InstallationId,
    /// On whose behalf, if a user's.
    pub user: Option<UserId>,
    /// What.
    pub operation: AuditedOperation,
    /// On which physical tables, in order.
    pub tables: Vec<String>,
    /// The statement with every literal replaced by `?`, at most 2 KiB.
    pub sql: String,
    /// Rows returned or changed.
    pub rows: u64,
    /// How long it took, waiting for a connection included.
    pub duration: Duration,
    /// `None` when it succeeded.
    pub error: Option<ErrorCode>,
}
