//! Reading a tenant's trail, page by page.

use applet_package::PolicyRefusal;
use applet_types::{AppletId, ErrorCode, ErrorGroup, RequestId, TenantId, WorkspaceId};
use chrono::{DateTime, Utc};

use super::AuditEntry;
use super::entry::{Row, columns};
use crate::{Store, StoreError};

/// At most this many entries are read at once.
const MAX_ENTRIES: u32 = 1_000;

/// Which entries of a tenant's trail to read.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this applet only.
    pub applet: Option<AppletId>,
    /// In this workspace only.
    pub workspace: Option<WorkspaceId>,
    /// Of this invocation only.
    pub request: Option<RequestId>,
    /// What was refused or failed only.
    pub failures_only: bool,
    /// What was refused as not permitted only.
    pub denials_only: bool,
    /// Not before this moment.
    pub since: Option<DateTime<Utc>>,
    /// Before this number of the chain: the last one of the page before.
    pub before: Option<i64>,
    /// How many; none means the most that is allowed.
    pub limit: Option<u32>,
}

impl AuditFilter {
    fn limit(&self) -> i64 {
        i64::from(self.limit.unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES))
    }

    /// The codes of entries to read; none for all.
    fn codes(&self) -> Option<Vec<&'static str>> {
        let denial = |code: &&ErrorCode| match code.group() {
            ErrorGroup::PermissionDenied | ErrorGroup::StatementRejected => true,
            ErrorGroup::InvalidArgument
            | ErrorGroup::DataError
            | ErrorGroup::LimitExceeded
            | ErrorGroup::ConstraintViolation
            | ErrorGroup::Conflict
            | ErrorGroup::Timeout
            | ErrorGroup::Busy
            | ErrorGroup::Unavailable
            | ErrorGroup::OutcomeUnknown
            | ErrorGroup::ManifestInvalid
            | ErrorGroup::Internal => false,
        };
        let codes = ErrorCode::ALL.iter().filter(denial).map(|code| code.as_str());
        self.denials_only.then(|| codes.chain(PolicyRefusal::CODES).collect())
    }
}

/// What filters both, of the tables `a` and, for `$1`, whatever carries the tenant.
macro_rules! conditions {
    () => {
        " AND ($2::text IS NULL OR a.applet = $2) AND ($3::uuid IS NULL OR a.workspace = $3)
          AND ($4::uuid IS NULL OR a.request = $4) AND (NOT $5 OR a.error IS NOT NULL)
          AND ($6::text[] IS NULL OR a.error = ANY($6)) AND ($7::timestamptz IS NULL OR a.at >= $7)"
    };
}

const UNSEALED: &str = concat!(
    "SELECT NULL::bigint AS seq, ",
    columns!(),
    " FROM applet_host.audit a, applet_host.audit_sealed m
     WHERE a.tenant = $1 AND (a.xid, a.id) > (m.xid, m.id) AND $8::bigint IS NULL
       AND NOT EXISTS (SELECT FROM applet_host.audit_chain c WHERE c.record = a.id)",
    conditions!(),
    " ORDER BY a.xid DESC, a.id DESC LIMIT $9"
);

const SEALED: &str = concat!(
    "SELECT c.seq, ",
    columns!(),
    " FROM applet_host.audit_chain c JOIN applet_host.audit a ON a.id = c.record
     WHERE c.tenant_id = $1 AND a.tenant = $1 AND ($8::bigint IS NULL OR c.seq < $8)",
    conditions!(),
    " ORDER BY c.seq DESC LIMIT $9"
);

#[derive(sqlx::FromRow)]
struct Found {
    seq: Option<i64>,
    #[sqlx(flatten)]
    row: Row,
}

impl Store {
    /// A tenant's audit trail, latest first: on the first page what waits to be sealed, then what is sealed.
    /// Empty as long as no database was prepared for applets.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn audit(&self, tenant: TenantId, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        if !self.has_audit().await? {
            return Ok(Vec::new());
        }
        // A record that is sealed between the two reads is seen by both, and told once.
        let mut found = self.find(UNSEALED, tenant, filter).await?;
        let records: Vec<i64> = found.iter().map(|found| found.row.id).collect();
        let sealed = self.find(SEALED, tenant, filter).await?;
        found.extend(sealed.into_iter().filter(|found| !records.contains(&found.row.id)));
        found.truncate(usize::try_from(filter.limit()).unwrap_or_default());
        Ok(found.into_iter().map(|found| found.row.entry(found.seq)).collect())
    }

    async fn find(
        &self,
        sql: &'static str,
        tenant: TenantId,
        filter: &AuditFilter,
    ) -> Result<Vec<Found>, StoreError> {
        sqlx::query_as(sql)
            .bind(tenant.as_uuid())
            .bind(filter.applet.as_ref().map(AppletId::as_str))
            .bind(filter.workspace.map(WorkspaceId::as_uuid))
            .bind(filter.request.map(RequestId::as_uuid))
            .bind(filter.failures_only)
            .bind(filter.codes())
            .bind(filter.since)
            .bind(filter.before)
            .bind(filter.limit())
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::database("read the audit trail"))
    }
}
