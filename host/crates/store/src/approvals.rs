//! Admins' decisions: bound to a package and a plan, limited in time, spent once.

use std::time::Duration;

use applet_package::AppletDigest;
use applet_types::{AppletId, ApprovalId, Grants, InstallationId, Limits, PlanId, TenantId, UserId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use crate::installations::{StateChange, change_state};
use crate::plans::{lock_installation, open_plan, void_approvals};
use crate::{Store, StoreError};
use applet_types::Granted;

/// An approval is never valid for longer, by the database's clock.
pub const MAX_APPROVAL_VALIDITY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A decision about to be kept. The digests are taken from the plan itself, where nobody can mistake them.
#[derive(Debug)]
pub struct NewApproval<'a> {
    /// Whose admin decides.
    pub tenant: TenantId,
    /// About which installation.
    pub installation: InstallationId,
    /// On which plan.
    pub plan: PlanId,
    /// Who decides; `None` is the platform itself.
    pub actor: Option<UserId>,
    /// What is granted. Whoever calls has made sure that it is requested.
    pub grants: &'a Grants,
    /// What it is held to.
    pub limits: &'a Limits,
    /// For how long, at most [`MAX_APPROVAL_VALIDITY`].
    pub valid_for: Duration,
}

/// A decision that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Which.
    pub id: ApprovalId,
    /// On which plan.
    pub plan: PlanId,
    /// Who decided; `None` is the platform itself.
    pub actor: Option<UserId>,
    /// When.
    pub decided_at: DateTime<Utc>,
    /// Over which package.
    pub applet_digest: AppletDigest,
    /// Over which plan.
    pub plan_digest: String,
    /// What was granted, as it is kept.
    pub granted: serde_json::Value,
    /// Until when it can be used.
    pub expires_at: DateTime<Utc>,
    /// When it was used.
    pub consumed_at: Option<DateTime<Utc>>,
    /// When it became void.
    pub voided_at: Option<DateTime<Utc>>,
    /// Whether no person gave it: an upgrade that asks for nothing new, under the policy that lets such pass.
    /// The actor is then who asked for the upgrade.
    pub by_policy: bool,
}

/// Why an approval cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalRefusal {
    /// Nobody has approved.
    #[error("no admin of this tenant has approved the plan")]
    Missing,
    /// An installation has used it.
    #[error("the approval was used already; approve the plan again")]
    Spent,
    /// Its time is over.
    #[error("the approval has expired; approve the plan again")]
    Expired,
    /// The package, the plan or the database has changed since.
    #[error("something has changed since the approval; look at the new plan and approve it")]
    Void,
}

impl ApprovalRefusal {
    /// The stable code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "approval-missing",
            Self::Spent => "approval-spent",
            Self::Expired => "approval-expired",
            Self::Void => "approval-void",
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    plan_id: Uuid,
    actor: Option<Uuid>,
    decided_at: DateTime<Utc>,
    applet_digest: String,
    plan_digest: String,
    granted: serde_json::Value,
    expires_at: DateTime<Utc>,
    consumed_at: Option<DateTime<Utc>>,
    voided_at: Option<DateTime<Utc>>,
    by_policy: bool,
}

impl TryFrom<Row> for Approval {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: ApprovalId::new(row.id),
            plan: PlanId::new(row.plan_id),
            actor: row.actor.map(UserId::new),
            decided_at: row.decided_at,
            applet_digest: row
                .applet_digest
                .parse()
                .map_err(|error| StoreError::damaged("read an approval's applet digest", error))?,
            plan_digest: row.plan_digest,
            granted: row.granted,
            expires_at: row.expires_at,
            consumed_at: row.consumed_at,
            voided_at: row.voided_at,
            by_policy: row.by_policy,
        })
    }
}

impl Store {
    /// Keeps an approval of the installation's open plan; an earlier one that was not used becomes void.
    /// `None` when this is not its open plan.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when the installation is not in the state that `change` starts from.
    pub async fn approve(
        &self,
        new: &NewApproval<'_>,
        change: Option<StateChange>,
    ) -> Result<Option<Approval>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(StoreError::database("approve"))?;
        lock_installation(&mut transaction, new.tenant, new.installation).await?;
        let plan = match open_plan(&mut transaction, new.tenant, new.installation).await? {
            Some(plan) if plan.id == new.plan => plan,
            Some(_) | None => return Ok(None),
        };
        void_approvals(&mut transaction, new.tenant, new.installation).await?;
        let row: Row = sqlx::query_as(
            "INSERT INTO applet_host.approvals (id, tenant_id, installation_id, plan_id, actor, applet_digest,
                                                plan_digest, granted, limits, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10))
             RETURNING id, plan_id, actor, decided_at, applet_digest, plan_digest, granted, expires_at,
                       consumed_at, voided_at, by_policy",
        )
        .bind(Uuid::now_v7())
        .bind(new.tenant.as_uuid())
        .bind(new.installation.as_uuid())
        .bind(new.plan.as_uuid())
        .bind(new.actor.map(UserId::as_uuid))
        .bind(plan.applet_digest.to_string())
        .bind(&plan.digest)
        .bind(Json(Granted::of(new.grants)))
        .bind(Json(new.limits))
        .bind(new.valid_for.min(MAX_APPROVAL_VALIDITY).as_secs_f64())
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::database("keep an approval"))?;
        sqlx::query("UPDATE applet_host.plans SET state = 'approved' WHERE id = $1")
            .bind(new.plan.as_uuid())
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::database("keep an approval"))?;
        if let Some(change) = change {
            change_state(&mut transaction, new.installation, change).await?;
        }
        transaction.commit().await.map_err(StoreError::database("approve"))?;
        row.try_into().map(Some)
    }

    /// The approvals of an installation, latest first.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn approvals(
        &self,
        tenant: TenantId,
        installation: InstallationId,
    ) -> Result<Vec<Approval>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, plan_id, actor, decided_at, applet_digest, plan_digest, granted, expires_at,
                    consumed_at, voided_at, by_policy
               FROM applet_host.approvals WHERE tenant_id = $1 AND installation_id = $2
              ORDER BY decided_at DESC, id DESC",
        )
        .bind(tenant.as_uuid())
        .bind(installation.as_uuid())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("list approvals"))?;
        rows.into_iter().map(Approval::try_from).collect()
    }

    /// What the installation's unused approval grants: the role for it is made before it is used.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn approved_grants(
        &self,
        tenant: TenantId,
        installation: InstallationId,
        applet: &AppletId,
    ) -> Result<Option<Grants>, StoreError> {
        let row: Option<(serde_json::Value,)> = sqlx::query_as(
            "SELECT granted FROM applet_host.approvals
              WHERE tenant_id = $1 AND installation_id = $2 AND consumed_at IS NULL AND voided_at IS NULL",
        )
        .bind(tenant.as_uuid())
        .bind(installation.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read an approval"))?;
        row.map(|(granted,)| crate::granted::read(granted, applet)).transpose()
    }
}
