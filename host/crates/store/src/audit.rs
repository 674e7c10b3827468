//! Reading the audit trail. Its table and the function that writes it belong to `applet-datasource`: a
//! write's record is inserted by the write's own transaction.

use applet_types::{AppletId, InstallationId, RequestId, TenantId, UserId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{Store, StoreError};

/// At most this many entries are read at once.
const MAX_ENTRIES: u32 = 1_000;

/// Which entries of a tenant's trail to read.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this applet only.
    pub applet: Option<AppletId>,
    /// Of this invocation only.
    pub request: Option<RequestId>,
    /// What was refused or failed only.
    pub failures_only: bool,
    /// Not before this moment.
    pub since: Option<DateTime<Utc>>,
    /// Older than this entry: the last id of the page before.
    pub before: Option<i64>,
    /// How many; none means the most that is allowed.
    pub limit: Option<u32>,
}

/// One operation or denial (SPEC S4.67).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The invocation.
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
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    at: DateTime<Utc>,
    request: Uuid,
    tenant: Uuid,
    workspace: Uuid,
    applet: String,
    installation: Uuid,
    user_id: Option<Uuid>,
    operation: String,
    tables: Vec<String>,
    sql: String,
    rows: i64,
    duration_us: i64,
    error: Option<String>,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            at: row.at,
            request: RequestId::new(row.request),
            tenant: TenantId::new(row.tenant),
            workspace: WorkspaceId::new(row.workspace),
            applet: row.applet,
            installation: InstallationId::new(row.installation),
            user: row.user_id.map(UserId::new),
            operation: row.operation,
            tables: row.tables,
            sql: row.sql,
            rows: row.rows,
            duration_us: row.duration_us,
            success: row.error.is_none(),
            error: row.error,
        }
    }
}

impl Store {
    /// A tenant's audit trail, latest first. Empty as long as no database was prepared for applets.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn audit(&self, tenant: TenantId, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let (exists,): (bool,) = sqlx::query_as("SELECT to_regclass('applet_host.audit') IS NOT NULL")
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::database("look for the audit trail"))?;
        if !exists {
            return Ok(Vec::new());
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, at, request, tenant, workspace, applet, installation, user_id, operation, tables, sql,
                    rows, duration_us, error
               FROM applet_host.audit
              WHERE tenant = $1 AND ($2::text IS NULL OR applet = $2) AND ($3::uuid IS NULL OR request = $3)
                AND (NOT $4 OR error IS NOT NULL) AND ($5::timestamptz IS NULL OR at >= $5)
                AND ($6::bigint IS NULL OR id < $6)
              ORDER BY id DESC LIMIT $7",
        )
        .bind(tenant.as_uuid())
        .bind(filter.applet.as_ref().map(AppletId::as_str))
        .bind(filter.request.map(RequestId::as_uuid))
        .bind(filter.failures_only)
        .bind(filter.since)
        .bind(filter.before)
        .bind(i64::from(filter.limit.unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES)))
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("read the audit trail"))?;
        Ok(rows.into_iter().map(AuditEntry::from).collect())
    }
}
