//! One statement on one session: below the gate, above the wire.
//!
//! *Invariant:* nothing public reaches this but through a [`ScopedStatement`].

use std::time::{Duration, Instant};

use applet_gate::{ScopedStatement, StatementKind, TableUse};
use applet_types::{
    AuditRecord, Encoding, ErrorCode, ExecutionLimits, Failure, Invocation, Outcome, TenantId, Value,
};
use tokio::time::timeout;

use crate::errors::{self, Context};
use crate::values::{Fit, fit};
use crate::wire::{Bound, End, Exchange, Fetch, Fetched, Prepared, Session, Settings, Status, WireError};

/// How much later than the server's own limit the host gives up: the server's answer is worth more.
const GRACE: Duration = Duration::from_millis(500);
/// How long the answer to a commit may take before the outcome counts as unknown.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a rollback may take before the session is closed instead.
const ROLLBACK_PATIENCE: Duration = Duration::from_secs(1);

/// What is executed: the gate's statement, without what only the gate and the audit need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Executable<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: StatementKind,
    pub(crate) tenant_parameter: Option<u16>,
    pub(crate) row_cap: u32,
    pub(crate) tables: &'a [TableUse],
}

impl<'a> From<&'a ScopedStatement> for Executable<'a> {
    fn from(scoped: &'a ScopedStatement) -> Self {
        Self {
            text: scoped.text(),
            kind: scoped.kind(),
            tenant_parameter: scoped.tenant_parameter(),
            row_cap: scoped.row_cap(),
            tables: scoped.tables(),
        }
    }
}

impl Executable<'_> {
    pub(crate) fn fetch(&self, encoding: Encoding, limits: &ExecutionLimits) -> Fetch {
        Fetch {
            encoding,
            rows: self.row_cap,
            truncate: self.is_read(),
            row_bytes: limits.row_bytes,
            result_bytes: limits.result_bytes,
        }
    }

    pub(crate) fn is_read(&self) -> bool {
        self.kind == StatementKind::Select
    }

    /// The statement with its parameters fitted, the tenant's included.
    pub(crate) fn bind<'b>(
        &self,
        prepared: &'b Prepared,
        parameters: &'b [Value],
        tenant: TenantId,
        fetch: Fetch,
    ) -> Result<Bound<'b>, Failure> {
        let (tenant_type, types) = match (self.tenant_parameter, prepared.parameters.split_last()) {
            (Some(number), Some((last, rest))) if usize::from(number) == prepared.parameters.len() => {
                (Some(*last), rest)
            }
            (Some(_), _) => {
                // The gate numbers the tenant last and uses it; anything else is not its statement.
                return Err(Failure::new(ErrorCode::Internal, "the tenant is not the last parameter"));
            }
            (None, _) => (None, prepared.parameters.as_slice()),
        };
        if types.len() != parameters.len() {
            return Err(wrong_count(types.len(), parameters.len()));
        }
        let mut fits = Vec::with_capacity(parameters.len() + 1);
        for (index, (value, parameter)) in parameters.iter().zip(types).enumerate() {
            fits.push(fit(value, *parameter, index + 1)?);
        }
        if tenant_type.is_some() {
            fits.push(Fit::Uuid(tenant.as_uuid().into_bytes()));
        }
        Ok(Bound { prepared, parameters: fits, fetch })
    }
}

/// The failure for a wrong number of parameters.
pub(crate) fn wrong_count(expected: usize, given: usize) -> Failure {
    Failure::new(
        ErrorCode::BadParameter,
        format!("the statement takes {expected} parameters, {given} were given"),
    )
}

/// How long a statement may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// What the server is told, if it differs from what the session has.
    pub(crate) settings: Settings,
    /// When the host itself stops waiting.
    pub(crate) patience: Duration,
    /// Whether the invocation's deadline is what bounds it.
    pub(crate) deadline_near: bool,
}

impl Allowance {
    pub(crate) fn of(call: &Invocation, most: Duration, session: &ExecutionLimits) -> Result<Self, Failure> {
        let limits = &call.limits.execution;
        let left = call.time_left(Instant::now())?;
        let limit = Duration::from_millis(limits.statement_timeout_ms)
            .min(most)
            .min(call.budget.database_time_left(&call.limits));
        let statement_timeout = limit.min(left);
        let differs = |value: Duration, usual: u64| {
            let usual = Duration::from_millis(usual);
            (value != usual).then_some(value)
        };
        let lock_timeout = Duration::from_millis(limits.lock_timeout_ms);
        Ok(Self {
            settings: Settings {
                statement_timeout: differs(statement_timeout, session.statement_timeout_ms),
                lock_timeout: differs(lock_timeout, session.lock_timeout_ms),
            },
            patience: statement_timeout + GRACE,
            deadline_near: left < limit,
        })
    }
}

/// Runs `work` for no longer than the allowance. A session that did not answer stays busy, so that it is
/// cancelled and closed.
pub(crate) async fn within<T>(
    allowance: &Allowance,
    work: impl Future<Output = Result<T, WireError>>,
) -> Result<T, WireError> {
    match timeout(allowance.patience, work).await {
        Ok(result) => result,
        Err(_) => Err(WireError::Refused(errors::too_slow(allowance.deadline_near))),
    }
}

/// A read: prepare if need be, then one round trip.
pub(crate) async fn read(
    session: &mut Session,
    statement: Executable<'_>,
    parameters: &[Value],
    tenant: TenantId,
    fetch: Fetch,
    settings: Settings,
) -> Result<Outcome, WireError> {
    let prepared = prepare_one(session, statement.text).await?;
    let bound = statement.bind(&prepared, parameters, tenant, fetch)?;
    let exchange = Exchange { tenant: Some(tenant), settings, statements: &[bound], ..Exchange::default() };
    one(session.exchange(&exchange).await?)
}

/// The first half of a write: BEGIN and the statement in one round trip. The transaction is left open.
pub(crate) async fn write(
    session: &mut Session,
    statement: Executable<'_>,
    parameters: &[Value],
    tenant: TenantId,
    fetch: Fetch,
    settings: Settings,
) -> Result<Outcome, WireError> {
    let prepared = prepare_one(session, statement.text).await?;
    let bound = statement.bind(&prepared, parameters, tenant, fetch)?;
    let exchange =
        Exchange { begin: true, tenant: Some(tenant), settings, statements: &[bound], ..Exchange::default() };
    one(session.exchange(&exchange).await?)
}

async fn prepare_one(session: &mut Session, text: &str) -> Result<std::sync::Arc<Prepared>, WireError> {
    let mut prepared = session.prepare(&[text]).await?;
    prepared.pop().ok_or(WireError::Protocol("nothing was prepared"))
}

fn one(mut fetched: Vec<Fetched>) -> Result<Outcome, WireError> {
    let fetched = fetched.pop().ok_or(WireError::Protocol("a statement was not answered"))?;
    Ok(outcome(fetched))
}

pub(crate) fn outcome(fetched: Fetched) -> Outcome {
    Outcome { rows: fetched.rows, affected: fetched.affected }
}

/// The failure of a write that changed too much, if it did.
pub(crate) fn check_changed(
    statement: Executable<'_>,
    changed: u64,
    limits: &ExecutionLimits,
) -> Result<(), Failure> {
    if statement.is_read() || changed <= limits.rows_changed {
        return Ok(());
    }
    let message = format!("a statement may change at most {} rows; nothing was changed", limits.rows_changed);
    Err(Failure::new(ErrorCode::TooManyRowsChanged, message))
}

/// Writes the records and ends the transaction, in one round trip. Once a commit is on its way only a clear
/// answer of the server counts: anything else is `commit-unknown`.
pub(crate) async fn finish(
    session: &mut Session,
    audits: &[AuditRecord],
    tenant: TenantId,
    end: End,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let exchange = Exchange { tenant: Some(tenant), audits, end: Some(end), ..Exchange::default() };
    let answer = timeout(COMMIT_PATIENCE, session.exchange(&exchange)).await;
    let error = match answer {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    match (error, session.status()) {
        (Some(error @ WireError::Server(_)), Status::Idle | Status::Failed) => {
            undo(session).await;
            Err(errors::failure(error, context))
        }
        (Some(error), _) if end == End::Rollback => Err(errors::failure(error, context)),
        _ => Err(errors::commit_unknown()),
    }
}

/// Rolls back if a transaction is open. A session that cannot even do that is left as it is, to be closed.
pub(crate) async fn undo(session: &mut Session) {
    if matches!(session.status(), Status::InTransaction | Status::Failed) {
        let exchange = Exchange { end: Some(End::Rollback), ..Exchange::default() };
        let answer = timeout(ROLLBACK_PATIENCE, session.exchange(&exchange)).await;
        if !matches!(answer, Ok(Ok(_))) {
            tracing::warn!("a rollback failed; its session is closed");
        }
    }
}
