//! Several statements in one transaction (SPEC Decision 10): the guest's own, and batches.
//!
//! A transaction holds one session until it ends. Its audit records are written inside it, with the next
//! message that goes out anyway. Dropping it rolls it back, and so does the watchdog when the guest leaves
//! it idle or open for too long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_gate::{ScopedStatement, TableUse};
use applet_types::{AuditRecord, Encoding, ErrorCode, Failure, Invocation, Outcome, Statement, Transaction};
use async_trait::async_trait;

use crate::cache;
use crate::errors;
use crate::execute::{self, Allowance, Executable, within};
use crate::memo::Judge;
use crate::pool::Lease;
use crate::proxy::{Inner, context};
use crate::trail::Trail;
use crate::usage::{self, Working};
use crate::watchdog::Watched;
use crate::wire::{Bound, End, Exchange, Session, WireError};

/// Statements of a batch that go out under one Sync: few enough that the server's answers cannot fill
/// the socket while we still write.
const CHUNK: usize = 16;
/// Bytes of parameters that go out under one Sync.
const CHUNK_BYTES: usize = 32 << 10;

/// An open transaction.
pub(crate) struct Open {
    inner: Arc<Inner>,
    call: Arc<Invocation>,
    judge: Arc<Judge>,
    /// Gone after an error: locks and session are not held for a transaction that cannot succeed.
    watched: Watched,
    /// Whether BEGIN was sent. It goes out with the first statement.
    begun: bool,
    /// Records of writes that the next message takes along.
    unsent: Vec<AuditRecord>,
    /// What was done to tables by statements that changed rows.
    changed: Vec<TableUse>,
}

impl Open {
    pub(crate) async fn begin(inner: &Arc<Inner>, call: &Invocation) -> Result<Self, Failure> {
        // The first transaction of an invocation may wait for its session; while it does, it holds nothing.
        let lease = inner.lease(call).await?;
        let holding = inner.hold(call)?;
        Ok(Self {
            inner: Arc::clone(inner),
            call: Arc::new(call.clone()),
            judge: inner.judge(),
            watched: Watched::new(lease, holding, &call.limits.execution),
            begun: false,
            unsent: Vec::new(),
            changed: Vec::new(),
        })
    }

    async fn execute(
        &mut self,
        lease: &mut Lease,
        statement: &Statement,
        encoding: Encoding,
        trail: &mut Trail,
    ) -> Result<Outcome, Failure> {
        let scoped = self.inner.admit(&self.judge, &self.call, statement, trail)?;
        let executable = Executable::from(&*scoped);
        let left = self.watched.time_left();
        let allowance = Allowance::of(&self.call, left, &self.inner.config.session_limits)?;
        let context = context(&self.call, &self.judge, scoped.tables(), allowance.deadline_near);
        let limits = &self.call.limits.execution;
        let working = Working::of(&self.call);
        let step = Step {
            begin: !self.begun,
            audits: &self.unsent,
            executable,
            statement,
            fetch: executable.fetch(encoding, limits),
        };
        let mut ran = within(&allowance, step.run(lease, &self.call, &allowance)).await;
        if step.begin && ran.as_ref().is_err_and(errors::is_stale_plan) {
            // Nothing was done in it yet, so it can begin anew.
            begin_anew(lease).await;
            ran = within(&allowance, step.run(lease, &self.call, &allowance)).await;
        }
        drop(working);
        let outcome = ran.map_err(|error| errors::failure(error, &context))?;
        self.begun = true;
        self.unsent.clear();
        execute::check_changed(executable, outcome.affected, limits)?;
        usage::count(&self.call, &outcome)?;
        if !executable.is_read() {
            self.unsent.extend(trail.succeeded(outcome.affected));
            self.changed.extend(scoped.tables().iter().filter(|_| outcome.affected > 0).cloned());
        }
        Ok(outcome)
    }

    async fn end(&mut self, end: End) -> Result<(), Failure> {
        let taken = match self.watched.take() {
            Ok(taken) => taken,
            // It is rolled back as asked.
            Err(_) if end == End::Rollback => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let Some(mut lease) = taken else {
            return if end == End::Rollback { Ok(()) } else { Err(gone()) };
        };
        if !self.begun {
            return Ok(());
        }
        if end == End::Rollback {
            execute::undo(&mut lease).await;
            return Ok(());
        }
        let context = context(&self.call, &self.judge, &[], false);
        let end = if self.inner.config.rollback_each { End::Rollback } else { End::Commit };
        let _working = Working::of(&self.call);
        let marked = self.inner.mark(&self.call, self.judge.catalog(), &self.changed).await;
        let finished = execute::finish(&mut lease, &self.unsent, self.call.tenant, end, &context).await;
        cache::settle(marked, &finished).await;
        finished
    }
}

/// Makes a session whose first statement did not fit the schema any more ready for the same again.
async fn begin_anew(lease: &mut Lease) {
    execute::undo(lease).await;
    lease.forget_statements();
}

/// One statement inside a transaction.
struct Step<'a> {
    begin: bool,
    audits: &'a [AuditRecord],
    executable: Executable<'a>,
    statement: &'a Statement,
    fetch: crate::wire::Fetch,
}

impl Step<'_> {
    async fn run(
        &self,
        session: &mut Session,
        call: &Invocation,
        allowance: &Allowance,
    ) -> Result<Outcome, WireError> {
        let prepared = session.prepare(&[self.executable.text]).await?;
        let prepared = prepared.first().ok_or(WireError::Protocol("nothing was prepared"))?;
        let bound = self.executable.bind(prepared, &self.statement.parameters, call.tenant, self.fetch)?;
        let exchange = Exchange {
            begin: self.begin,
            tenant: Some(call.tenant),
            settings: allowance.settings,
            audits: self.audits,
            statements: &[bound],
            end: None,
        };
        let fetched = session.exchange(&exchange).await?.pop();
        fetched.map(execute::outcome).ok_or(WireError::Protocol("a statement was not answered"))
    }
}

#[async_trait]
impl Transaction for Open {
    async fn query(&mut self, statement: &Statement, encoding: Encoding) -> Result<Outcome, Failure> {
        let mut trail = Trail::start(self.inner.config.audit.clone(), &self.call);
        let ran = match self.watched.take() {
            Ok(Some(mut lease)) => {
                let ran = self.execute(&mut lease, statement, encoding, &mut trail).await;
                match &ran {
                    Ok(_) => self.watched.put_back(lease),
                    Err(_) => execute::undo(&mut lease).await,
                }
                ran
            }
            Ok(None) => Err(gone()),
            Err(overdue) => Err(overdue),
        };
        match ran {
            Ok(outcome) => {
                if let Err(failure) = trail.succeeded_reading(outcome.affected).await {
                    if let Ok(Some(mut lease)) = self.watched.take() {
                        execute::undo(&mut lease).await;
                    }
                    return Err(failure);
                }
                Ok(outcome)
            }
            Err(failure) => {
                trail.failed(&failure).await;
                Err(failure)
            }
        }
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Failure> {
        self.end(End::Commit).await
    }

    async fn rollback(mut self: Box<Self>) -> Result<(), Failure> {
        self.end(End::Rollback).await
    }
}

/// What a statement is told whose transaction has ended.
pub fn gone() -> Failure {
    Failure::new(
        ErrorCode::UnsupportedStatement,
        "the transaction has ended; a failed statement ends it as well",
    )
    .hint("begin a new transaction")
}

/// Runs all statements in one transaction: all take effect, or none.
pub(crate) async fn batch(
    inner: &Arc<Inner>,
    call: &Invocation,
    statements: &[Statement],
    encoding: Encoding,
) -> Result<Vec<Outcome>, Failure> {
    let judge = inner.judge();
    let mut admitted = Vec::with_capacity(statements.len());
    for statement in statements {
        let mut trail = Trail::start(inner.config.audit.clone(), call);
        match inner.admit(&judge, call, statement, &mut trail) {
            Ok(scoped) => admitted.push(Admitted { statement, scoped, trail }),
            Err(failure) => {
                trail.failed(&failure).await;
                for earlier in admitted {
                    earlier.trail.failed(&failure).await;
                }
                return Err(failure);
            }
        }
    }
    if admitted.is_empty() {
        return Ok(Vec::new());
    }
    let ran = match inner.lease(call).await {
        Ok(mut lease) => {
            let _working = Working::on_a_session(call);
            let ran = run_batch(inner, call, &judge, &mut admitted, encoding, &mut lease).await;
            if ran.is_err() {
                execute::undo(&mut lease).await;
            }
            ran
        }
        Err(failure) => Err(failure),
    };
    match ran {
        Ok(outcomes) => {
            // Of a batch that wrote, every record has gone with the transaction.
            for (admitted, outcome) in admitted.into_iter().zip(&outcomes) {
                admitted.trail.succeeded_reading(outcome.affected).await?;
            }
            Ok(outcomes)
        }
        Err(failure) => {
            for admitted in admitted {
                admitted.trail.failed(&failure).await;
            }
            Err(failure)
        }
    }
}

struct Admitted<'a> {
    statement: &'a Statement,
    scoped: Arc<ScopedStatement>,
    trail: Trail,
}

async fn run_batch(
    inner: &Arc<Inner>,
    call: &Invocation,
    judge: &Judge,
    admitted: &mut [Admitted<'_>],
    encoding: Encoding,
    lease: &mut Lease,
) -> Result<Vec<Outcome>, Failure> {
    let limits = &call.limits.execution;
    let opened = Instant::now();
    let whole =
        Duration::from_millis(limits.transaction_ms).min(call.budget.database_time_left(&call.limits));
    let reads_only = admitted.iter().all(|one| Executable::from(&*one.scoped).is_read());
    let mut outcomes = Vec::with_capacity(admitted.len());
    let mut rest: &[Admitted<'_>] = admitted;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at_checked(chunk_length(rest)).unwrap_or((rest, &[]));
        rest = after;
        let left = whole.saturating_sub(opened.elapsed());
        let allowance = Allowance::of(call, left, &inner.config.session_limits)?;
        let begin = !reads_only && outcomes.is_empty();
        let mut ran = within(&allowance, run_chunk(lease, call, chunk, encoding, begin, &allowance)).await;
        if (begin || reads_only) && ran.as_ref().is_err_and(errors::is_stale_plan) {
            begin_anew(lease).await;
            ran = within(&allowance, run_chunk(lease, call, chunk, encoding, begin, &allowance)).await;
        }
        let tables: Vec<_> = chunk.iter().flat_map(|one| one.scoped.tables().iter().cloned()).collect();
        let context = context(call, judge, &tables, allowance.deadline_near);
        outcomes.extend(ran.map_err(|error| errors::failure(error, &context))?);
    }
    for (one, outcome) in admitted.iter().zip(&outcomes) {
        execute::check_changed(Executable::from(&*one.scoped), outcome.affected, limits)?;
        usage::count(call, outcome)?;
    }
    if !reads_only {
        commit_batch(inner, call, judge, admitted, &outcomes, lease).await?;
    }
    Ok(outcomes)
}

async fn commit_batch(
    inner: &Arc<Inner>,
    call: &Invocation,
    judge: &Judge,
    admitted: &mut [Admitted<'_>],
    outcomes: &[Outcome],
    lease: &mut Lease,
) -> Result<(), Failure> {
    // Reads too: once the writes are committed, there is no failing for want of a record any more.
    let audits: Vec<_> = admitted
        .iter_mut()
        .zip(outcomes)
        .filter_map(|(one, outcome)| one.trail.succeeded(outcome.affected))
        .collect();
    let context = context(call, judge, &[], false);
    let end = if inner.config.rollback_each { End::Rollback } else { End::Commit };
    let uses = admitted.iter().zip(outcomes).filter(|(_, outcome)| outcome.affected > 0);
    let uses = uses.flat_map(|(one, _)| one.scoped.tables());
    let marked = inner.mark(call, judge.catalog(), uses).await;
    let finished = execute::finish(lease, &audits, call.tenant, end, &context).await;
    cache::settle(marked, &finished).await;
    if finished.is_err() {
        let mut records = audits.into_iter();
        for one in admitted {
            one.trail.reopen(records.next().into_iter().collect());
        }
    }
    finished
}

/// How many statements go out together.
fn chunk_length(rest: &[Admitted<'_>]) -> usize {
    let mut bytes = 0;
    let fitting = rest.iter().take(CHUNK).take_while(|one| {
        bytes += one.statement.parameters.iter().map(applet_types::Value::size).sum::<usize>();
        bytes <= CHUNK_BYTES
    });
    fitting.count().max(1)
}

async fn run_chunk(
    session: &mut Session,
    call: &Invocation,
    chunk: &[Admitted<'_>],
    encoding: Encoding,
    begin: bool,
    allowance: &Allowance,
) -> Result<Vec<Outcome>, WireError> {
    let mut texts: Vec<&str> = chunk.iter().map(|one| one.scoped.text()).collect();
    texts.sort_unstable();
    texts.dedup();
    let prepared = session.prepare(&texts).await?;
    let mut statements: Vec<Bound<'_>> = Vec::with_capacity(chunk.len());
    for one in chunk {
        let executable = Executable::from(&*one.scoped);
        let found = texts.binary_search(&executable.text).ok().and_then(|position| prepared.get(position));
        let prepared = found.ok_or(WireError::Protocol("nothing was prepared"))?;
        let fetch = executable.fetch(encoding, &call.limits.execution);
        statements.push(executable.bind(prepared, &one.statement.parameters, call.tenant, fetch)?);
    }
    let exchange = Exchange {
        begin,
        tenant: Some(call.tenant),
        settings: allowance.settings,
        statements: &statements,
        ..Exchange::default()
    };
    Ok(session.exchange(&exchange).await?.into_iter().map(execute::outcome).collect())
}
