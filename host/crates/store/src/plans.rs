//! Plans as they were shown to an admin.

use applet_package::AppletDigest;
use applet_types::{AppletId, InstallationId, PlanId, TenantId, UserId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::installations::{StateChange, change_state};
use crate::{Store, StoreError};

/// What became of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanState {
    /// Waits for a decision.
    Pending,
    /// Approved, not applied yet.
    Approved,
    /// Refused.
    Rejected,
    /// Applied.
    Applied,
    /// Replaced by a later plan, or something that it rests on has changed.
    Void,
}

impl PlanState {
    fn read(text: &str) -> Result<Self, StoreError> {
        Ok(match text {
            "pending" => Self::Pending,
            "approved" => Self::Approved,
            "rejected" => Self::Rejected,
            "applied" => Self::Applied,
            "void" => Self::Void,
            other => return Err(StoreError::damaged("read a plan's state", other)),
        })
    }
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanKind {
    /// An applet comes, or what it runs changes.
    Install,
    /// It goes.
    Uninstall,
}

impl PlanKind {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Uninstall => "uninstall",
        }
    }

    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        Ok(match text {
            "install" => Self::Install,
            "uninstall" => Self::Uninstall,
            other => return Err(StoreError::damaged("read a plan's kind", other)),
        })
    }
}

/// A plan about to be kept.
#[derive(Debug)]
pub struct NewPlan<'a> {
    /// Whose.
    pub tenant: TenantId,
    /// For which installation.
    pub installation: InstallationId,
    /// What it is for.
    pub kind: PlanKind,
    /// Of which package.
    pub applet_digest: AppletDigest,
    /// The plan's own digest.
    pub digest: &'a str,
    /// The plan, as JSON.
    pub plan: &'a serde_json::Value,
    /// Who asked for it.
    pub created_by: Option<UserId>,
}

/// A plan that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRecord {
    /// Which.
    pub id: PlanId,
    /// For which installation.
    pub installation: InstallationId,
    /// Of which applet.
    pub applet: AppletId,
    /// What it is for.
    pub kind: PlanKind,
    /// Of which package.
    pub applet_digest: AppletDigest,
    /// The plan's own digest.
    pub digest: String,
    /// The plan, as JSON.
    pub plan: serde_json::Value,
    /// What became of it.
    pub state: PlanState,
    /// Who asked for it.
    pub created_by: Option<UserId>,
    /// When.
    pub created_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    installation_id: Uuid,
    applet_id: String,
    kind: String,
    applet_digest: String,
    digest: String,
    plan: serde_json::Value,
    state: String,
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for PlanRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: PlanId::new(row.id),
            installation: InstallationId::new(row.installation_id),
            applet: row
                .applet_id
                .parse()
                .map_err(|error| StoreError::damaged("read a plan's applet", error))?,
            kind: PlanKind::read(&row.kind)?,
            applet_digest: row
                .applet_digest
                .parse()
                .map_err(|error| StoreError::damaged("read a plan's applet digest", error))?,
            digest: row.digest,
            plan: row.plan,
            state: PlanState::read(&row.state)?,
            created_by: row.created_by.map(UserId::new),
            created_at: row.created_at,
        })
    }
}

impl Store {
    /// Keeps a plan, and takes it as the installation's only open one: an earlier one and its approval
    /// become void, unless it is the very same plan of the very same package, which is then returned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when the installation is not in the state that `changes` start from.
    pub async fn save_plan(
        &self,
        new: &NewPlan<'_>,
        changes: &[StateChange],
    ) -> Result<PlanRecord, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(StoreError::database("keep a plan"))?;
        lock_installation(&mut transaction, new.tenant, new.installation).await?;
        if let Some(same) = open_plan(&mut transaction, new.tenant, new.installation).await?
            && same.kind == new.kind
            && same.applet_digest == new.applet_digest
            && same.digest == new.digest
        {
            return Ok(same);
        }
        void_open(&mut transaction, new.tenant, new.installation).await?;
        let id = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO applet_host.plans
                 (id, tenant_id, installation_id, kind, applet_digest, digest, plan, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id)
        .bind(new.tenant.as_uuid())
        .bind(new.installation.as_uuid())
        .bind(new.kind.as_str())
        .bind(new.applet_digest.to_string())
        .bind(new.digest)
        .bind(new.plan)
        .bind(new.created_by.map(UserId::as_uuid))
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::database("keep a plan"))?;
        for change in changes {
            change_state(&mut transaction, new.installation, *change).await?;
        }
        let saved = open_plan(&mut transaction, new.tenant, new.installation).await?;
        transaction.commit().await.map_err(StoreError::database("keep a plan"))?;
        saved.ok_or_else(|| StoreError::damaged("keep a plan", "it is not there"))
    }

    /// A plan of this tenant.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn plan(&self, tenant: TenantId, id: PlanId) -> Result<Option<PlanRecord>, StoreError> {
        sqlx::query_as::<_, Row>(
            "SELECT p.id, p.installation_id, i.applet_id, p.kind, p.applet_digest, p.digest, p.plan, p.state,
                    p.created_by, p.created_at
               FROM applet_host.plans AS p JOIN applet_host.installations AS i ON i.id = p.installation_id
              WHERE p.tenant_id = $1 AND p.id = $2",
        )
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read a plan"))?
        .map(PlanRecord::try_from)
        .transpose()
    }

    /// The plan of this installation that waits for a decision or for being applied.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn open_plan(
        &self,
        tenant: TenantId,
        installation: InstallationId,
    ) -> Result<Option<PlanRecord>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(StoreError::database("read a plan"))?;
        open_plan(&mut connection, tenant, installation).await
    }

    /// Makes the open plan and its approval void, because something that they rest on has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when the installation is not in the state that `change` starts from.
    pub async fn void_plan(
        &self,
        tenant: TenantId,
        installation: InstallationId,
        change: StateChange,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(StoreError::database("void a plan"))?;
        lock_installation(&mut transaction, tenant, installation).await?;
        void_open(&mut transaction, tenant, installation).await?;
        change_state(&mut transaction, installation, change).await?;
        transaction.commit().await.map_err(StoreError::database("void a plan"))
    }

    /// Refuses the installation's open plan. `false` when there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when the installation is not in the state that `change` starts from.
    pub async fn reject_plan(
        &self,
        tenant: TenantId,
        installation: InstallationId,
        change: StateChange,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(StoreError::database("reject a plan"))?;
        lock_installation(&mut transaction, tenant, installation).await?;
        let done = sqlx::query(
            "UPDATE applet_host.plans SET state = 'rejected'
              WHERE tenant_id = $1 AND installation_id = $2 AND state IN ('pending', 'approved')",
        )
        .bind(tenant.as_uuid())
        .bind(installation.as_uuid())
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::database("reject a plan"))?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        void_approvals(&mut transaction, tenant, installation).await?;
        change_state(&mut transaction, installation, change).await?;
        transaction.commit().await.map_err(StoreError::database("reject a plan"))?;
        Ok(true)
    }
}

/// Serialises everything that decides about one installation.
pub(crate) async fn lock_installation(
    connection: &mut PgConnection,
    tenant: TenantId,
    installation: InstallationId,
) -> Result<(), StoreError> {
    sqlx::query("SELECT FROM applet_host.installations WHERE tenant_id = $1 AND id = $2 FOR UPDATE")
        .bind(tenant.as_uuid())
        .bind(installation.as_uuid())
        .execute(connection)
        .await
        .map_err(StoreError::database("lock an installation"))
        .map(|_| ())
}

pub(crate) async fn open_plan(
    connection: &mut PgConnection,
    tenant: TenantId,
    installation: InstallationId,
) -> Result<Option<PlanRecord>, StoreError> {
    sqlx::query_as::<_, Row>(
        "SELECT p.id, p.installation_id, i.applet_id, p.kind, p.applet_digest, p.digest, p.plan, p.state,
                p.created_by, p.created_at
           FROM applet_host.plans AS p JOIN applet_host.installations AS i ON i.id = p.installation_id
          WHERE p.tenant_id = $1 AND p.installation_id = $2 AND p.state IN ('pending', 'approved')",
    )
    .bind(tenant.as_uuid())
    .bind(installation.as_uuid())
    .fetch_optional(connection)
    .await
    .map_err(StoreError::database("read a plan"))?
    .map(PlanRecord::try_from)
    .transpose()
}

async fn void_open(
    connection: &mut PgConnection,
    tenant: TenantId,
    installation: InstallationId,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE applet_host.plans SET state = 'void'
          WHERE tenant_id = $1 AND installation_id = $2 AND state IN ('pending', 'approved')",
    )
    .bind(tenant.as_uuid())
    .bind(installation.as_uuid())
    .execute(&mut *connection)
    .await
    .map_err(StoreError::database("void a plan"))?;
    void_approvals(connection, tenant, installation).await
}

pub(crate) async fn void_approvals(
    connection: &mut PgConnection,
    tenant: TenantId,
    installation: InstallationId,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE applet_host.approvals SET voided_at = now()
          WHERE tenant_id = $1 AND installation_id = $2 AND consumed_at IS NULL AND voided_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(installation.as_uuid())
    .execute(connection)
    .await
    .map_err(StoreError::database("void an approval"))
    .map(|_| ())
}
