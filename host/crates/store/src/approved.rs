//! The only place where an [`ApprovedPlan`] comes into being.

use std::sync::Arc;

use applet_package::AppletDigest;
use applet_types::{
    AppletId, ApprovalId, Grants, InstallationId, Limits, OperationId, PlanId, TenantId, WorkspaceId,
};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::granted;
use crate::{PlanKind, StoreError};

/// A plan that an admin has approved, with what was granted, being applied by one operation.
///
/// *Invariant:* minted here only, from the approval that the operation has spent. Not clonable: applying
/// takes it by value.
#[derive(Debug)]
pub struct ApprovedPlan {
    operation: OperationId,
    approval: ApprovalId,
    plan: PlanId,
    kind: PlanKind,
    installation: InstallationId,
    tenant: TenantId,
    workspace: WorkspaceId,
    applet: AppletId,
    applet_digest: AppletDigest,
    plan_digest: String,
    content: serde_json::Value,
    grants: Arc<Grants>,
    limits: Arc<Limits>,
}

impl ApprovedPlan {
    /// The operation that applies it.
    pub const fn operation(&self) -> OperationId {
        self.operation
    }

    /// The approval that was spent for it.
    pub const fn approval(&self) -> ApprovalId {
        self.approval
    }

    /// Which plan.
    pub const fn plan(&self) -> PlanId {
        self.plan
    }

    /// What it is for.
    pub const fn kind(&self) -> PlanKind {
        self.kind
    }

    /// Of which installation.
    pub const fn installation(&self) -> InstallationId {
        self.installation
    }

    /// Whose.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Where.
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Of which applet.
    pub const fn applet(&self) -> &AppletId {
        &self.applet
    }

    /// Of which package.
    pub const fn applet_digest(&self) -> AppletDigest {
        self.applet_digest
    }

    /// The plan's own digest.
    pub fn plan_digest(&self) -> &str {
        &self.plan_digest
    }

    /// The plan as it was shown, as JSON.
    pub const fn content(&self) -> &serde_json::Value {
        &self.content
    }

    /// What was granted.
    pub const fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// What it is held to.
    pub const fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    approval_id: Uuid,
    plan_id: Uuid,
    kind: String,
    installation_id: Uuid,
    tenant_id: Uuid,
    workspace_id: Uuid,
    applet_id: String,
    applet_digest: String,
    plan_digest: String,
    plan: serde_json::Value,
    granted: serde_json::Value,
    limits: Json<Limits>,
}

/// Mints the plan of an operation. Callers hold the operation: they have just created it, or taken it over.
pub(crate) async fn mint(
    connection: &mut PgConnection,
    operation: OperationId,
) -> Result<ApprovedPlan, StoreError> {
    let row: Row = sqlx::query_as(
        "SELECT a.id AS approval_id, p.id AS plan_id, p.kind, i.id AS installation_id, o.tenant_id, o.workspace_id,
                i.applet_id, a.applet_digest, a.plan_digest, p.plan, a.granted, a.limits
           FROM applet_host.operations AS o
           JOIN applet_host.approvals AS a ON a.id = o.approval_id AND a.consumed_at IS NOT NULL
           JOIN applet_host.plans AS p ON p.id = a.plan_id AND p.digest = a.plan_digest
           JOIN applet_host.installations AS i ON i.id = o.installation_id
          WHERE o.id = $1 AND o.state = 'running'",
    )
    .bind(operation.as_uuid())
    .fetch_one(connection)
    .await
    .map_err(StoreError::database("read an approved plan"))?;
    let applet: AppletId = row
        .applet_id
        .parse()
        .map_err(|error| StoreError::damaged("read an approved plan's applet", error))?;
    Ok(ApprovedPlan {
        operation,
        approval: ApprovalId::new(row.approval_id),
        plan: PlanId::new(row.plan_id),
        kind: PlanKind::read(&row.kind)?,
        installation: InstallationId::new(row.installation_id),
        tenant: TenantId::new(row.tenant_id),
        workspace: WorkspaceId::new(row.workspace_id),
        grants: Arc::new(granted::read(row.granted, &applet)?),
        applet,
        applet_digest: row
            .applet_digest
            .parse()
            .map_err(|error| StoreError::damaged("read an approved plan's digest", error))?,
        plan_digest: row.plan_digest,
        content: row.plan,
        limits: Arc::new(row.limits.0),
    })
}
