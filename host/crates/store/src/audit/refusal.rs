//! What the operator's policy has refused, in the trail of the tenant that asked: it says who tried what, as
//! the trail does of statements.

use applet_types::{AppletId, InstallationId, RequestId, TenantId, UserId, WorkspaceId};
use uuid::Uuid;

use crate::{Store, StoreError};

/// An operation that was refused.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// Who asked, as logs have it.
    pub request: RequestId,
    /// Whose trail it belongs to.
    pub tenant: TenantId,
    /// Where, if it was about a workspace.
    pub workspace: Option<WorkspaceId>,
    /// Which installation, if there is one.
    pub installation: Option<InstallationId>,
    /// On whose behalf, if a user's.
    pub user: Option<UserId>,
    /// The applet.
    pub applet: &'a AppletId,
    /// What was asked for: `submit`, `install`.
    pub operation: &'static str,
    /// Of what: version and digest.
    pub about: String,
    /// The stable code.
    pub code: &'static str,
}

impl Store {
    /// Records a refusal. A database that nobody has prepared has no trail yet; then the log alone has it.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn record_refusal(&self, refusal: &Refusal<'_>) -> Result<(), StoreError> {
        let Refusal { request, tenant, applet, operation, about, code, .. } = refusal;
        if !self.has_audit().await? {
            tracing::warn!(%request, %tenant, %applet, operation, about, code, "refused by the operator's policy");
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO applet_host.audit (request, tenant, workspace, applet, installation, user_id, role, operation,
                                            tables, sql, rows, duration_us, error)
             VALUES ($1, $2, $3, $4, $5, $6, session_user, $7, '{}', $8, 0, 0, $9)",
        )
        .bind(request.as_uuid())
        .bind(tenant.as_uuid())
        .bind(refusal.workspace.map_or(Uuid::nil(), WorkspaceId::as_uuid))
        .bind(applet.as_str())
        .bind(refusal.installation.map_or(Uuid::nil(), InstallationId::as_uuid))
        .bind(refusal.user.map(UserId::as_uuid))
        .bind(operation)
        .bind(about)
        .bind(code)
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(StoreError::database("record a refusal"))
    }
}
