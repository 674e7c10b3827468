//! The write-ahead log of multi-step work, and who may continue it.
//!
//! Two things say who works on an operation. A session-level advisory lock tells at once that a process has
//! died: it goes away with its session. A lease of 60 seconds, renewed by every step, tells that one hangs.
//! Neither is trusted for safety: every write carries the operation's *token*, which a takeover raises, so
//! that a process that wakes up later is refused ([`StoreError::Fenced`]).

use applet_types::{
    AppletId, ApprovalId, Failure, InstallationId, OperationId, PhysicalTable, TenantId, WorkspaceId,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::approved::mint;
use crate::installations::{StateChange, change_state};
use crate::locks;
use crate::plans::lock_installation;
use crate::{AppletDigest, ApprovalRefusal, ApprovedPlan, State, Store, StoreError};

/// Ordinals are small: a plan has at most a few hundred steps.
fn ordinal(step: u32) -> i32 {
    i32::try_from(step).unwrap_or(i32::MAX)
}

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

/// The right to work on an operation. Ends when it is dropped or the process dies.
#[derive(Debug)]
pub struct OperationLease {
    connection: PgConnection,
    operation: OperationId,
    installation: InstallationId,
    token: i64,
}

/// Names one step of one lease, so that another connection can mark it done in the transaction of its
/// effect: `SELECT applet_host.finish_step(operation, token, step, result)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepToken {
    /// The operation.
    pub operation: OperationId,
    /// The lease's token.
    pub token: i64,
    /// The step.
    pub step: u32,
}

impl StepToken {
    /// The statement that marks the step done, for the transaction of its effect. Fails when somebody has
    /// taken over. Made of a UUID, numbers and a boolean only, so it can be sent as text among DDL.
    pub fn finish_statement(&self, created: bool) -> String {
        let Self { operation, token, step } = self;
        format!(
            "SELECT applet_host.finish_step('{operation}', {token}, {step}, '{{\"created\": {created}}}')"
        )
    }

    /// The statement that claims a table name for an applet, for the transaction that makes the table.
    /// Both names have no character that could end a literal.
    pub fn claim_statement(table: &PhysicalTable, applet: &AppletId) -> String {
        format!("SELECT applet_host.claim_table('{table}', '{applet}')")
    }
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
        insert_operation(&mut transaction, operation, ApprovalId::new(approval)).await?;
        change_state(&mut transaction, installation, change).await?;
        let plan = mint(&mut transaction, operation).await?;
        transaction.commit().await.map_err(StoreError::database("start an operation"))?;
        Ok(Ok((plan, OperationLease { connection, operation, installation, token: 1 })))
    }

    /// Takes over an operation whose process has died or hangs.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn take_over(&self, operation: OperationId) -> Result<Takeover, StoreError> {
        let mut connection = self.session().await?;
        let free = try_lock(&mut connection, operation).await?;
        let taken: Option<(i64, Uuid)> = sqlx::query_as(
            "UPDATE applet_host.operations
                SET token = token + 1, lease_until = clock_timestamp() + interval '60 seconds'
              WHERE id = $1 AND state = 'running' AND ($2 OR lease_until < clock_timestamp())
             RETURNING token, installation_id",
        )
        .bind(operation.as_uuid())
        .bind(free)
        .fetch_optional(&mut connection)
        .await
        .map_err(StoreError::database("take over an operation"))?;
        let Some((token, installation)) = taken else {
            return Ok(if free { Takeover::Over } else { Takeover::Held });
        };
        let plan = mint(&mut connection, operation).await?;
        let installation = InstallationId::new(installation);
        Ok(Takeover::Taken(Box::new(plan), OperationLease { connection, operation, installation, token }))
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
            "SELECT id, workspace_id, state, failure, created_at FROM applet_host.operations
              WHERE tenant_id = $1 AND installation_id = $2 ORDER BY created_at DESC, id DESC LIMIT 1",
        )
        .bind(tenant.as_uuid())
        .bind(installation.as_uuid())
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::database("read an operation"))?;
        let Some((id, workspace, state, failure, created_at)) = row else { return Ok(None) };
        Ok(Some(OperationStatus {
            id: OperationId::new(id),
            tenant,
            workspace: WorkspaceId::new(workspace),
            installation,
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

type StatusRow = (Uuid, Uuid, String, Option<Json<Failure>>, DateTime<Utc>);
type StepRow = (i32, String, DateTime<Utc>, Option<DateTime<Utc>>, Option<serde_json::Value>);

fn operation_state(text: &str) -> Result<OperationState, StoreError> {
    match text {
        "running" => Ok(OperationState::Running),
        "done" => Ok(OperationState::Done),
        "failed" => Ok(OperationState::Failed),
        other => Err(StoreError::damaged("read an operation's state", other)),
    }
}

impl OperationLease {
    /// Which operation.
    pub const fn operation(&self) -> OperationId {
        self.operation
    }

    /// What another connection needs to finish this step.
    pub const fn step(&self, step: u32) -> StepToken {
        StepToken { operation: self.operation, token: self.token, step }
    }

    /// Announces a step before anything of it is done, and moves the installation's state to it. When the
    /// step was finished before, what came of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`] when somebody has taken over.
    pub async fn announce(&mut self, step: u32, name: &str) -> Result<Option<serde_json::Value>, StoreError> {
        let mut transaction =
            self.connection.begin().await.map_err(StoreError::database("announce a step"))?;
        fence(&mut transaction, self.operation, self.token).await?;
        let (done,): (Option<serde_json::Value>,) = sqlx::query_as(
            "INSERT INTO applet_host.operation_steps AS s (operation_id, ordinal, name) VALUES ($1, $2, $3)
             ON CONFLICT (operation_id, ordinal) DO UPDATE SET name = s.name
             RETURNING CASE WHEN s.done_at IS NOT NULL THEN coalesce(s.result, 'null') END",
        )
        .bind(self.operation.as_uuid())
        .bind(ordinal(step))
        .bind(name)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::database("announce a step"))?;
        set_state(&mut transaction, self.installation, State::Applying { step }).await?;
        transaction.commit().await.map_err(StoreError::database("announce a step"))?;
        Ok(done)
    }

    /// Marks a step done whose effect is not in our database, or was found to be there already.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`] when somebody has taken over.
    pub async fn finish_step(&mut self, step: u32, result: &serde_json::Value) -> Result<(), StoreError> {
        sqlx::query("SELECT applet_host.finish_step($1, $2, $3, $4)")
            .bind(self.operation.as_uuid())
            .bind(self.token)
            .bind(ordinal(step))
            .bind(result)
            .execute(&mut self.connection)
            .await
            .map_err(StoreError::database("finish a step"))
            .map(|_| ())
    }

    /// Ends the operation: the installation becomes active with what was approved, in one transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`] when somebody has taken over.
    pub async fn activate(mut self) -> Result<(), StoreError> {
        let mut transaction = self.connection.begin().await.map_err(StoreError::database("activate"))?;
        fence(&mut transaction, self.operation, self.token).await?;
        sqlx::query(
            "UPDATE applet_host.installations AS i
                SET state = $2, applet_digest = a.applet_digest, grants = a.granted, limits = a.limits,
                    generation = i.generation + 1, updated_at = now()
               FROM applet_host.operations AS o JOIN applet_host.approvals AS a ON a.id = o.approval_id
              WHERE o.id = $1 AND i.id = o.installation_id",
        )
        .bind(self.operation.as_uuid())
        .bind(Json(State::Active))
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::database("activate"))?;
        sqlx::query(
            "UPDATE applet_host.plans AS p SET state = 'applied'
               FROM applet_host.operations AS o JOIN applet_host.approvals AS a ON a.id = o.approval_id
              WHERE o.id = $1 AND p.id = a.plan_id",
        )
        .bind(self.operation.as_uuid())
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::database("activate"))?;
        end(&mut transaction, self.operation, "done", None).await?;
        transaction.commit().await.map_err(StoreError::database("activate"))?;
        self.connection.close().await.map_err(StoreError::database("close"))
    }

    /// Gives up at a step. When it can be resumed the operation stays open, for whoever comes next.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`] when somebody has taken over.
    pub async fn fail(mut self, step: u32, failure: &Failure, resumable: bool) -> Result<(), StoreError> {
        let mut transaction =
            self.connection.begin().await.map_err(StoreError::database("record a failure"))?;
        fence(&mut transaction, self.operation, self.token).await?;
        set_state(&mut transaction, self.installation, State::Failed { step, resumable }).await?;
        if resumable {
            sqlx::query("UPDATE applet_host.operations SET failure = $2 WHERE id = $1")
                .bind(self.operation.as_uuid())
                .bind(Json(failure))
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::database("record a failure"))?;
        } else {
            sqlx::query(
                "UPDATE applet_host.plans AS p SET state = 'void'
                   FROM applet_host.operations AS o JOIN applet_host.approvals AS a ON a.id = o.approval_id
                  WHERE o.id = $1 AND p.id = a.plan_id",
            )
            .bind(self.operation.as_uuid())
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::database("record a failure"))?;
            end(&mut transaction, self.operation, "failed", Some(failure)).await?;
        }
        transaction.commit().await.map_err(StoreError::database("record a failure"))?;
        self.connection.close().await.map_err(StoreError::database("close"))
    }
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

async fn fence(connection: &mut PgConnection, operation: OperationId, token: i64) -> Result<(), StoreError> {
    sqlx::query("SELECT applet_host.fence($1, $2)")
        .bind(operation.as_uuid())
        .bind(token)
        .execute(connection)
        .await
        .map_err(StoreError::database("renew a lease"))
        .map(|_| ())
}

async fn set_state(
    connection: &mut PgConnection,
    installation: InstallationId,
    state: State,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE applet_host.installations SET state = $2, updated_at = now() WHERE id = $1")
        .bind(installation.as_uuid())
        .bind(Json(state))
        .execute(connection)
        .await
        .map_err(StoreError::database("change an installation's state"))
        .map(|_| ())
}

async fn insert_operation(
    connection: &mut PgConnection,
    operation: OperationId,
    approval: ApprovalId,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO applet_host.operations (id, tenant_id, workspace_id, installation_id, kind, approval_id)
         SELECT $1, i.tenant_id, i.workspace_id, i.id, 'install', a.id
           FROM applet_host.approvals AS a JOIN applet_host.installations AS i ON i.id = a.installation_id
          WHERE a.id = $2",
    )
    .bind(operation.as_uuid())
    .bind(approval.as_uuid())
    .execute(connection)
    .await
    .map_err(StoreError::database("start an operation"))
    .map(|_| ())
}

async fn end(
    connection: &mut PgConnection,
    operation: OperationId,
    state: &str,
    failure: Option<&Failure>,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE applet_host.operations SET state = $2, failure = $3, finished_at = now() WHERE id = $1",
    )
    .bind(operation.as_uuid())
    .bind(state)
    .bind(failure.map(Json))
    .execute(connection)
    .await
    .map_err(StoreError::database("end an operation"))
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
