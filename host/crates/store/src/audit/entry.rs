//! One record of the trail.

use applet_types::{InstallationId, RequestId, TenantId, UserId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The columns of [`Row`], of a table called `a`.
macro_rules! columns {
    () => {
        "a.id, a.at, a.request, a.tenant, a.workspace, a.applet, a.installation, a.user_id, a.role, a.operation, \
         a.tables, a.sql, a.rows, a.duration_us, a.error, a.missing_from, a.missing_to"
    };
}
pub(super) use columns;

/// One operation or denial (SPEC S4.67), or a gap. The database's own number of a record stays inside: it
/// would tell a tenant how much others do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Its place in the tenant's chain; none before it is sealed.
    pub seq: Option<i64>,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The invocation; of a gap, the writer.
    pub request: RequestId,
    /// Whose trail.
    pub tenant: TenantId,
    /// Where.
    pub workspace: WorkspaceId,
    /// The applet.
    pub applet: String,
    /// Installed as.
    pub installation: InstallationId,
    /// On whose behalf, if a user's.
    pub user: Option<UserId>,
    /// The database role that recorded it.
    pub role: String,
    /// What was done.
    pub operation: String,
    /// On which physical tables.
    pub tables: Vec<String>,
    /// The statement, literals masked.
    pub sql: String,
    /// Rows returned or changed.
    pub rows: i64,
    /// How long it took, in microseconds.
    pub duration_us: i64,
    /// Whether it succeeded.
    pub success: bool,
    /// The stable code of what went wrong.
    pub error: Option<String>,
    /// Of a gap: what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// Numbers that a writer gave out and whose records never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// The first.
    pub from: i64,
    /// The last.
    pub to: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) id: i64,
    at: DateTime<Utc>,
    request: Uuid,
    tenant: Uuid,
    workspace: Uuid,
    applet: String,
    installation: Uuid,
    user_id: Option<Uuid>,
    role: String,
    operation: String,
    tables: Vec<String>,
    sql: String,
    rows: i64,
    duration_us: i64,
    error: Option<String>,
    missing_from: Option<i64>,
    missing_to: Option<i64>,
}

impl Row {
    /// The record, at this place of its tenant's chain.
    pub(super) fn entry(self, seq: Option<i64>) -> AuditEntry {
        AuditEntry {
            seq,
            at: self.at,
            request: RequestId::new(self.request),
            tenant: TenantId::new(self.tenant),
            workspace: WorkspaceId::new(self.workspace),
            applet: self.applet,
            installation: InstallationId::new(self.installation),
            user: self.user_id.map(UserId::new),
            role: self.role,
            operation: self.operation,
            tables: self.tables,
            sql: self.sql,
            rows: self.rows,
            duration_us: self.duration_us,
            success: self.error.is_none(),
            error: self.error,
            missing: self.missing_from.zip(self.missing_to).map(|(from, to)| Missing { from, to }),
        }
    }
}
