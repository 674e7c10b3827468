//! The write-ahead log of multi-step work, and who may continue it.
//!
//! Two things say who works on an operation. A session-level advisory lock tells at once that a process has
//! died: it goes away with its session. A lease of 60 seconds, renewed by every step, tells that one hangs.
//! Neither is trusted for safety: every write carries the operation's *token*, which a takeover raises, so
//! that a process that wakes up later is refused ([`StoreError::Fenced`]). The sessions of one that hangs are
//! ended by whoever takes over: they hold locks that it would wait for.

use applet_package::AppletDigest;
use applet_types::{ApprovalId, Failure, InstallationId, OperationId, TenantId, UserId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::approved::mint;
use crate::installations::{StateChange, change_state};
use crate::plans::{lock_installation, open_plan};
use crate::{
    ApprovalRefusal, ApprovedPlan, MAX_APPROVAL_VALIDITY, NewApproval, OperationLease, PlanRecord, PlanState,
    State, StepToken, Store, StoreError, locks,
};
use applet_types::Granted;

/// How far an operation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationState {
    /// Under way, or waiting to be resumed.
    Running,
    /// Finished.
    Done,
    /// Given up.
    Failed,
}

/// An operation, for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationStatus {
    /// Which.
    pub id: OperationId,
    /// Whose.
    pub tenant: TenantId,
    /// Where.
    pub workspace: WorkspaceId,
    /// Of which installation.
    pub installation: InstallationId,
    /// What it does: `install` or `uninstall`.
    pub kind: String,
    /// How far.
    pub state: OperationState,
    /// What ended it.
    pub failure: Option<Failure>,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Its steps so far, in order.
    pub steps: Vec<StepStatus>,
}

/// A step of an operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepStatus {
    /// Its place.
    pub ordinal: u32,
    /// What it does.
    pub name: String,
    /// When it was announced.
    pub intended_at: DateTime<Utc>,
    /// When it was done.
    pub done_at: Option<DateTime<Utc>>,
    /// What came of it.
    pub result: Option<serde_json::Value>,
}

/// What came of trying to continue an operation.
#[derive(Debug)]
pub enum Takeover {
    /// It is ours now.
    Taken(Box<ApprovedPlan>, OperationLease),
    /// Somebody else works on it.
    Held,
    /// There is nothing left to do.
    Over,
}

impl Store {
    /// Spends the installation's approval and starts the operation that applies it, in one transaction:
    /// of two installations that race, exactly one gets the plan.
    ///
    /// `applet` and `plan_digest` are what the installer has computed again just now; an approval of
    /// anything else is [`ApprovalRefusal::Void`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when the workspace is being changed, or the installation is not in the state
    /// that `change` starts from.
    pub async fn redeem(
        &self,
        tenant: TenantId,
        installation: InstallationId,
        applet: AppletDigest,
        plan_digest: &str,
        change: StateChange,
    ) -> Result<Result<(ApprovedPlan, OperationLease), ApprovalRefusal>, StoreError> {
        let operation = OperationId::new(Uuid::now_v7());
        let mut connection = self.session().await?;
        // Locked before anybody can see the operation, so that nobody takes it over at birth.
        if !try_lock(&mut connection, operation).await? {
            return Err(StoreError::Busy);
        }
        let mut transaction = connection.begin().await.map_err(StoreError::database("start an operation"))?;
        lock_installation(&mut transaction, tenant, installation).await?;
        let spent: Option<(Uuid,)> = sqlx::query_as(
            "UPDATE applet_host.approvals SET consumed_at = now()
              WHERE tenant_id = $1 AND installation_id = $2 AND applet_digest = $3 AND plan_digest = $4
                AND consumed_at IS NULL AND voided_at IS NULL AND expires_at > now()
             RETURNING id",
        )
        .bind(tenant.as_uuid())
        .bind(installation.as_uuid())
        .bind(applet.to_string())
        .bind(plan_digest)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(StoreError::database("spend an approval"))?;
        let Some((approval,)) = spent else {
            return Ok(Err(why_refused(&mut transaction, tenant, installation).await?));
        };
        let plan =
            start(&mut transaction, operation, ApprovalId::new(approval), installation, change).await?;
        transaction.commit().await.map_err(StoreError::database("start an operation"))?;
        let serving = serves(change);
        Ok(Ok((plan, OperationLease { connection, operation, installation, token: 1, serving })))
    }

    /// Starts the operation that applies the installation's open plan without a person's approval: the
    /// caller has found that the plan grants nothing new. Written down as an approval of the policy, spent in
    /// the same transaction. `None` when the plan is not, or no longer, waiting for a decision: somebody else
    /// was faster.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when the workspace is being changed, or the installation is not in the state
    /// that `change` starts from.
    pub async fn redeem_by_policy(
        &self,
        new: &NewApproval<'_>,
        change: StateChange,
    ) -> Result<Option<(ApprovedPlan, OperationLease)>, StoreError> {
        let operation = OperationId::new(Uuid::now_v7());
        let mut connection = self.session().await?;
        if !try_lock(&mut connection, operation).await? {
            return Err(StoreError::Busy);
        }
        let mut transaction = connection.begin().await.map_err(StoreError::database("start an operation"))?;
        lock_installation(&mut transaction, new.tenant, new.installation).await?;
        let open = open_plan(&mut transaction, new.tenant, new.installation).await?;
        let Some(plan) = open.filter(|plan| plan.id == new.plan && plan.state == PlanState::Pending) else {
            return Ok(None);
        };
        let approval = ApprovalId::new(Uuid::now_v7());
        insert_policy_approval(&mut transaction, approval, new, &plan).await?;
        let plan = start(&mut transaction, operation, approval, new.installation, change).await?;
        transaction.commit().await.map_err(StoreError::database("start an operation"))?;
        let (installation, serving) = (new.installation, serves(change));
        Ok(Some((plan, OperationLease { connection, operation, installation, token: 1, serving })))
    }

    /// The packages that an installation has run, the latest first.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn packages_run(
        &self,
        tenant: TenantId,
        installation: InstallationId,
    ) -> Result<Vec<AppletDigest>, StoreError> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT a.applet_digest
               FROM applet_host.operations AS o JOIN applet_host.approvals AS a ON a.id = o.approval_id
              WHERE o.tenant_id = $1 AND o.installation_id = $2 AND o.state = 'done'
              ORDER BY o.finished_at DESC, o.id DESC",
        )
        .bind(tenant.as_uuid())
        .bind(installation.as_uuid())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("list packages that ran"))?;
        let read = |(digest,): (String,)| {
            digest.parse().map_err(|error| StoreError::damaged("read an approval's applet digest", error))
        };
        rows.into_iter().map(read).collect()
    }

    /// Takes over an operation whose process has died or hangs.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn take_over(&self, operation: OperationId) -> Result<Takeover, StoreError> {
        let mut connection = self.session().await?;
        let free = try_lock(&mut connection, operation).await?;
        if !free && is_overdue(&mut connection, operation).await? {
            // First, because one that hangs in a transaction holds the operation's row as well.
            end_sessions(&mut connection, operation).await?;
            // For whoever comes next to see that a process is at it; the token is what counts.
            try_lock(&mut connection, operation).await?;
        }
        let taken: Option<(i64, Uuid, bool)> = sqlx::query_as(
            "UPDATE applet_host.operations
                SET token = token + 1, lease_until = clock_timestamp() + interval '60 seconds'
              WHERE id = $1 AND state = 'running' AND ($2 OR lease_until < clock_timestamp())
             RETURNING token, installation_id, serving",
        )
        .bind(operation.as_uuid())
        .bind(free)
        .fetch_optional(&mut connection)
        .await
        .map_err(StoreError::database("take over an operation"))?;
        let Some((token, installation, serving)) = taken else {
            return Ok(if free { Takeover::Over } else { Takeover::Held });
        };
        let plan = mint(&mut connection, operation).await?;
        let installation = InstallationId::new(installation);
        let lease = OperationLease { connection, operation, installation, token, serving };
        Ok(Takeover::Taken(Box::new(plan), lease))
    }

    /// Whether somebody has taken an operation over from the lease that this token is of.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn is_taken_over(&self, from: StepToken) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM applet_host.operations WHERE id = $1 AND token > $2)")
            .bind(from.operation.as_uuid())
            .bind(from.token)
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::database("look at an operation"))
    }

    /// Every operation that was started and not finished, oldest first, of all tenants: what a host looks
    /// at when it starts.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn unfinished_operations(&self) -> Result<Vec<OperationId>, StoreError> {
        let rows: Vec<(Uuid,)> = sqlx::query_as(
            "SELECT id FROM applet_host.operations WHERE state = 'running' ORDER BY created_at, id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("list operations"))?;
        Ok(rows.into_iter().map(|(id,)| OperationId::new(id)).collect())
    }

    /// The latest operation of an installation, with its steps.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn latest_operation(
        &self,
        tenant: TenantId,
        installation: InstallationId,
    ) -> Result<Option<OperationStatus>, StoreError> {
        let row: Option<StatusRow> = sqlx::query_as(
            "SELECT id, workspace_id, kind, state, failure, created_at FROM applet_host.operations
              WHERE tenant_id = $1 AND installation_id = $2 ORDER BY created_at DESC, id DESC LIMIT 1",
        )
        .bind(tenant.as_uuid())
        .bind(installation.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read an operation"))?;
        let Some((id, workspace, kind, state, failure, created_at)) = row else { return Ok(None) };
        Ok(Some(OperationStatus {
            id: OperationId::new(id),
            tenant,
            workspace: WorkspaceId::new(workspace),
            installation,
            kind,
            state: operation_state(&state)?,
            failure: failure.map(|failure| failure.0),
            created_at,
            steps: self.steps(id).await?,
        }))
    }

    async fn steps(&self, operation: Uuid) -> Result<Vec<StepStatus>, StoreError> {
        let rows: Vec<StepRow> = sqlx::query_as(
            "SELECT ordinal, name, intended_at, done_at, result FROM applet_host.operation_steps
              WHERE operation_id = $1 ORDER BY ordinal",
        )
        .bind(operation)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("read an operation's steps"))?;
        Ok(rows
            .into_iter()
            .map(|(ordinal, name, intended_at, done_at, result)| StepStatus {
                ordinal: ordinal.unsigned_abs(),
                name,
                intended_at,
                done_at,
                result,
            })
            .collect())
    }

    async fn session(&self) -> Result<PgConnection, StoreError> {
        let options = self.pool.connect_options();
        PgConnection::connect_with(&options).await.map_err(StoreError::database("connect"))
    }
}

type StatusRow = (Uuid, Uuid, String, String, Option<Json<Failure>>, DateTime<Utc>);
type StepRow = (i32, String, DateTime<Utc>, Option<DateTime<Utc>>, Option<serde_json::Value>);

fn operation_state(text: &str) -> Result<OperationState, StoreError> {
    match text {
        "running" => Ok(OperationState::Running),
        "done" => Ok(OperationState::Done),
        "failed" => Ok(OperationState::Failed),
        other => Err(StoreError::damaged("read an operation's state", other)),
    }
}

/// Whether whoever works on it has not been heard of for as long as the lease lasts.
async fn is_overdue(connection: &mut PgConnection, operation: OperationId) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT FROM applet_host.operations
                               WHERE id = $1 AND state = 'running' AND lease_until < clock_timestamp())";
    sqlx::query_scalar(sql)
        .bind(operation.as_uuid())
        .fetch_one(connection)
        .await
        .map_err(StoreError::database("look at a lease"))
}

/// Ends the sessions of a process that hangs, and waits until they are gone.
async fn end_sessions(connection: &mut PgConnection, operation: OperationId) -> Result<(), StoreError> {
    sqlx::query(
        "SELECT pg_catalog.pg_terminate_backend(l.pid, 5000) FROM pg_catalog.pg_locks AS l
          WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.pid <> pg_catalog.pg_backend_pid()
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND l.classid::int8 IN ($1, $2) AND l.objid = $3::int8::oid",
    )
    .bind(i64::from(locks::OPERATION))
    .bind(i64::from(locks::WORK))
    .bind(i64::from(locks::operation(operation).cast_unsigned()))
    .execute(connection)
    .await
    .map_err(StoreError::database("end the sessions of a process that hangs"))
    .map(|_| ())
}

async fn try_lock(connection: &mut PgConnection, operation: OperationId) -> Result<bool, StoreError> {
    sqlx::query_as::<_, (bool,)>("SELECT pg_try_advisory_lock($1, $2)")
        .bind(locks::OPERATION)
        .bind(locks::operation(operation))
        .fetch_one(connection)
        .await
        .map(|(free,)| free)
        .map_err(StoreError::database("lock an operation"))
}

/// What answers hooks already goes on doing so while it is changed.
const fn serves(change: StateChange) -> bool {
    // An uninstall begins by refusing calls.
    matches!(change.from, State::Active | State::Disabled)
        && matches!(change.to, State::Active | State::Disabled)
}

/// Starts the operation of an approval that was spent in this transaction.
async fn start(
    connection: &mut PgConnection,
    operation: OperationId,
    approval: ApprovalId,
    installation: InstallationId,
    change: StateChange,
) -> Result<ApprovedPlan, StoreError> {
    insert_operation(connection, operation, approval, serves(change)).await?;
    change_state(connection, installation, change).await?;
    mint(connection, operation).await
}

async fn insert_policy_approval(
    connection: &mut PgConnection,
    approval: ApprovalId,
    new: &NewApproval<'_>,
    plan: &PlanRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO applet_host.approvals (id, tenant_id, installation_id, plan_id, actor, applet_digest,
                                            plan_digest, granted, limits, expires_at, consumed_at, by_policy)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10), now(), true)",
    )
    .bind(approval.as_uuid())
    .bind(new.tenant.as_uuid())
    .bind(new.installation.as_uuid())
    .bind(new.plan.as_uuid())
    .bind(new.actor.map(UserId::as_uuid))
    .bind(plan.applet_digest.to_string())
    .bind(&plan.digest)
    .bind(Json(Granted::of(new.grants)))
    .bind(Json(new.limits))
    .bind(new.valid_for.min(MAX_APPROVAL_VALIDITY).as_secs_f64())
    .execute(&mut *connection)
    .await
    .map_err(StoreError::database("keep an approval of the policy"))?;
    sqlx::query("UPDATE applet_host.plans SET state = 'approved' WHERE id = $1")
        .bind(new.plan.as_uuid())
        .execute(connection)
        .await
        .map_err(StoreError::database("keep an approval of the policy"))
        .map(|_| ())
}

async fn insert_operation(
    connection: &mut PgConnection,
    operation: OperationId,
    approval: ApprovalId,
    serving: bool,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO applet_host.operations (id, tenant_id, workspace_id, installation_id, kind, approval_id,
                                             serving)
         SELECT $1, i.tenant_id, i.workspace_id, i.id, p.kind, a.id, $3
           FROM applet_host.approvals AS a JOIN applet_host.installations AS i ON i.id = a.installation_id
           JOIN applet_host.plans AS p ON p.id = a.plan_id
          WHERE a.id = $2",
    )
    .bind(operation.as_uuid())
    .bind(approval.as_uuid())
    .bind(serving)
    .execute(connection)
    .await
    .map_err(StoreError::database("start an operation"))
    .map(|_| ())
}

/// Looks at the latest approval to say why it was not the one.
async fn why_refused(
    connection: &mut PgConnection,
    tenant: TenantId,
    installation: InstallationId,
) -> Result<ApprovalRefusal, StoreError> {
    let row: Option<(bool, bool, bool)> = sqlx::query_as(
        "SELECT consumed_at IS NOT NULL, voided_at IS NOT NULL, expires_at <= now()
           FROM applet_host.approvals WHERE tenant_id = $1 AND installation_id = $2
          ORDER BY decided_at DESC, id DESC LIMIT 1",
    )
    .bind(tenant.as_uuid())
    .bind(installation.as_uuid())
    .fetch_optional(connection)
    .await
    .map_err(StoreError::database("read an approval"))?;
    Ok(match row {
        None => ApprovalRefusal::Missing,
        Some((true, _, _)) => ApprovalRefusal::Spent,
        Some((false, false, true)) => ApprovalRefusal::Expired,
        Some((false, _, _)) => ApprovalRefusal::Void,
    })
}
