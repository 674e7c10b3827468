//! Calls that were recorded, in the trail of the tenant whose rows they hold.

use applet_types::{AppletId, InstallationId, RequestId, TenantId, UserId, WorkspaceId};

use crate::{Store, StoreError};

/// A call that is about to be recorded.
#[derive(Debug)]
pub struct RecordedCall<'a> {
    /// The call.
    pub request: RequestId,
    /// Whose rows it reads.
    pub tenant: TenantId,
    /// Where.
    pub workspace: WorkspaceId,
    /// Of which installation.
    pub installation: InstallationId,
    /// Of which applet.
    pub applet: &'a AppletId,
    /// Who has it recorded, if a user of the tenant.
    pub user: Option<UserId>,
    /// Which hook, and what is kept of it.
    pub about: String,
}

impl Store {
    /// Writes down that a call is recorded, and by whom.
    ///
    /// # Errors
    ///
    /// When the database refuses: then it must not be recorded.
    pub async fn record_recording(&self, call: &RecordedCall<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO applet_host.audit (request, tenant, workspace, applet, installation, user_id, role, operation,
                                            tables, sql, rows, duration_us)
             VALUES ($1, $2, $3, $4, $5, $6, session_user, 'record', '{}', $7, 0, 0)",
        )
        .bind(call.request.as_uuid())
        .bind(call.tenant.as_uuid())
        .bind(call.workspace.as_uuid())
        .bind(call.applet.as_str())
        .bind(call.installation.as_uuid())
        .bind(call.user.map(UserId::as_uuid))
        .bind(&call.about)
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(StoreError::database("write down that a call is recorded"))
    }
}
