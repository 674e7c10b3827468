//! The right to work on an operation, and everything that may be written with it.
//!
//! *Invariant:* every transaction here begins with the fence, so that whoever was replaced changes nothing.

use applet_types::{AppletId, Failure, InstallationId, OperationId, PhysicalTable};
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{Connection, PgConnection};

use crate::{State, StoreError, locks};

/// The right to work on an operation. Ends when it is dropped or the process dies.
#[derive(Debug)]
pub struct OperationLease {
    pub(crate) connection: PgConnection,
    pub(crate) operation: OperationId,
    pub(crate) installation: InstallationId,
    pub(crate) token: i64,
    /// Whether the installation goes on being served meanwhile: then its state stays as it is.
    pub(crate) serving: bool,
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

    /// The same with whatever came of it.
    pub fn finish_statement_with(&self, result: &serde_json::Value) -> String {
        let Self { operation, token, step } = self;
        let result = result.to_string().replace('\\', "\\\\").replace('\'', "''");
        format!("SELECT applet_host.finish_step('{operation}', {token}, {step}, E'{result}')")
    }

    /// The statement that fails when somebody has taken over, for a transaction without a record.
    pub fn fence_statement(&self) -> String {
        format!("SELECT applet_host.fence('{}', {})", self.operation, self.token)
    }

    /// The statement with which a session says, until it ends, that it works for the operation. Whoever takes
    /// over from a process that hangs ends such sessions: they hold locks that it would wait for.
    pub fn working_statement(&self) -> String {
        let (work, operation) = (locks::WORK, locks::operation(self.operation));
        format!("SELECT pg_catalog.pg_advisory_lock_shared({work}, {operation})")
    }

    /// The statement that claims a table name for an applet, for the transaction that makes the table.
    /// Both names have no character that could end a literal.
    pub fn claim_statement(table: &PhysicalTable, applet: &AppletId) -> String {
        format!("SELECT applet_host.claim_table('{table}', '{applet}')")
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

    /// Holds on to the operation while a step takes long.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`] when somebody has taken over.
    pub async fn renew(&mut self) -> Result<(), StoreError> {
        fence(&mut self.connection, self.operation, self.token).await
    }

    /// Announces a step before anything of it is done, and moves the installation's state to it, unless it
    /// is served meanwhile. When the step was finished before, what came of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`] when somebody has taken over.
    pub async fn announce(&mut self, step: u32, name: &str) -> Result<Option<serde_json::Value>, StoreError> {
        self.announce_as(step, name, State::Applying { step }).await
    }

    /// The same for an operation during which the installation is in another state.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`] when somebody has taken over.
    pub async fn announce_as(
        &mut self,
        step: u32,
        name: &str,
        state: State,
    ) -> Result<Option<serde_json::Value>, StoreError> {
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
        if !self.serving {
            set_state(&mut transaction, self.installation, state).await?;
        }
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

    /// Ends the operation: the installation is gone. Its deadline is that of its tenant's rows; where none
    /// are kept, it is now and nothing can be restored.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`] when somebody has taken over.
    pub async fn retire(mut self) -> Result<DateTime<Utc>, StoreError> {
        let doing = "retire an installation";
        let mut transaction = self.connection.begin().await.map_err(StoreError::database(doing))?;
        fence(&mut transaction, self.operation, self.token).await?;
        let (until, kept): (DateTime<Utc>, bool) = sqlx::query_as(
            "SELECT coalesce(max(r.keep_until), clock_timestamp()), coalesce(max(r.keep_until), now()) > now()
               FROM applet_host.installations AS i
               JOIN applet_host.retentions AS r ON r.tenant_id = i.tenant_id AND r.applet_id = i.applet_id
              WHERE i.id = $1 AND r.installation_id = i.id AND r.ended_at IS NULL",
        )
        .bind(self.installation.as_uuid())
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::database(doing))?;
        sqlx::query(
            "UPDATE applet_host.installations
                SET state = $2, grants = CASE WHEN $3 THEN grants END, generation = generation + 1,
                    updated_at = now()
              WHERE id = $1",
        )
        .bind(self.installation.as_uuid())
        .bind(Json(State::Retired { until }))
        .bind(kept)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::database(doing))?;
        applied(&mut transaction, self.operation).await?;
        end(&mut transaction, self.operation, "done", None).await?;
        transaction.commit().await.map_err(StoreError::database(doing))?;
        self.connection.close().await.map_err(StoreError::database("close"))?;
        Ok(until)
    }

    /// Ends the operation: the installation becomes active with what was approved, in one transaction. One
    /// that was served meanwhile keeps its state and switches.
    ///
    /// # Errors
    ///
    /// [`StoreError::Fenced`] when somebody has taken over, [`StoreError::Busy`] when it was uninstalled.
    pub async fn activate(mut self) -> Result<(), StoreError> {
        let mut transaction = self.connection.begin().await.map_err(StoreError::database("activate"))?;
        fence(&mut transaction, self.operation, self.token).await?;
        let switched = sqlx::query(
            "UPDATE applet_host.installations AS i
                SET state = CASE WHEN o.serving THEN i.state ELSE $2 END, applet_digest = a.applet_digest,
                    grants = a.granted, limits = a.limits, left_at = NULL, generation = i.generation + 1,
                    updated_at = now()
               FROM applet_host.operations AS o JOIN applet_host.approvals AS a ON a.id = o.approval_id
              WHERE o.id = $1 AND i.id = o.installation_id
                AND (NOT o.serving OR i.state ->> 'state' IN ('active', 'disabled'))",
        )
        .bind(self.operation.as_uuid())
        .bind(Json(State::Active))
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::database("activate"))?;
        if switched.rows_affected() != 1 {
            return Err(StoreError::Busy);
        }
        applied(&mut transaction, self.operation).await?;
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
        if !self.serving {
            set_state(&mut transaction, self.installation, State::Failed { step, resumable }).await?;
        }
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

/// Ordinals are small: a plan has at most a few hundred steps.
fn ordinal(step: u32) -> i32 {
    i32::try_from(step).unwrap_or(i32::MAX)
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

/// The plan is done.
async fn applied(connection: &mut PgConnection, operation: OperationId) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE applet_host.plans AS p SET state = 'applied'
           FROM applet_host.operations AS o JOIN applet_host.approvals AS a ON a.id = o.approval_id
          WHERE o.id = $1 AND p.id = a.plan_id",
    )
    .bind(operation.as_uuid())
    .execute(connection)
    .await
    .map_err(StoreError::database("end a plan"))
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
