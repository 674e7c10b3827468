//! What applets do, seen from the host's side: every statement with what became of it, and every line of the
//! log, by invocation. For those who develop an applet; a host that serves has nothing of this.
//!
//! *Invariant:* it stands beside the way to data, not in it: what a guest is answered is what the proxy
//! answered, and nothing gets past the proxy.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use applet_gate::ColumnUse;
use applet_proxy::Proxy;
use applet_runtime::{GuestLog, GuestLogLevel};
use applet_types::{
    Database, Encoding, Failure, Invocation, Operation, Outcome, RequestId, SqlName, Statement, Transaction,
    Value,
};
use applet_wiring::GuestsReach;
use async_trait::async_trait;

use crate::logs::Lines;
use crate::opening::Workbench;

/// Invocations that are remembered until somebody takes them; what is beyond was of interest to nobody.
const REMEMBERED: usize = 1_000;

/// One thing that an invocation did.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    /// A statement.
    Statement(Box<SeenStatement>),
    /// A line for the log.
    Line(GuestLogLevel, String),
}

/// A statement, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct SeenStatement {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Value>,
    /// What was sent to the database, if the gate let it pass.
    pub(crate) rewritten: Option<String>,
    /// Tables and what was done to them.
    pub(crate) tables: Vec<(SqlName, Operation)>,
    /// The columns that it used.
    pub(crate) columns: Vec<ColumnUse>,
    pub(crate) took: Duration,
    pub(crate) result: Result<Shown, Failure>,
}

/// What a statement showed to the applet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Rows returned or changed.
    pub(crate) rows: u64,
    /// Tells one content from another.
    pub(crate) content: u64,
}

impl Shown {
    fn of(outcome: &Outcome) -> Self {
        let mut hash = DefaultHasher::new();
        outcome.rows.data.hash(&mut hash);
        (outcome.rows.count, outcome.affected).hash(&mut hash);
        Self { rows: outcome.affected, content: hash.finish() }
    }
}

/// What was seen and not taken yet.
#[derive(Default)]
pub(crate) struct Seen {
    calls: Mutex<HashMap<RequestId, Vec<Sight>>>,
    /// Where lines go besides.
    pub(crate) lines: Lines,
}

impl Seen {
    /// What a host is opened with to be watched by this.
    pub(crate) fn bench(seen: &Arc<Self>) -> Workbench {
        let (lines, seen) = (seen.lines.clone(), Arc::clone(seen));
        let watch = move |proxy| -> GuestsReach { (Arc::new(Observed::new(proxy, Arc::clone(&seen))), seen) };
        Workbench { lines, watch: Box::new(watch) }
    }

    /// Everything that an invocation has done so far.
    pub(crate) fn take(&self, request: RequestId) -> Vec<Sight> {
        self.calls().remove(&request).unwrap_or_default()
    }

    fn note(&self, request: RequestId, sight: Sight) {
        let mut calls = self.calls();
        if calls.len() >= REMEMBERED && !calls.contains_key(&request) {
            calls.clear();
        }
        calls.entry(request).or_default().push(sight);
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<RequestId, Vec<Sight>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuestLog for Seen {
    fn line(&self, call: &Invocation, level: GuestLogLevel, text: &str) {
        self.note(call.request, Sight::Line(level, text.to_owned()));
        self.lines.line(call, level, text);
    }
}

/// The proxy, with somebody who watches.
#[derive(Clone)]
pub(crate) struct Observed {
    proxy: Proxy,
    seen: Arc<Seen>,
}

impl Observed {
    pub(crate) const fn new(proxy: Proxy, seen: Arc<Seen>) -> Self {
        Self { proxy, seen }
    }

    fn note(
        &self,
        call: &Invocation,
        statement: &Statement,
        took: Duration,
        result: Result<&Outcome, &Failure>,
    ) {
        let scoped = self.proxy.scoped(call, &statement.sql).ok();
        let columns = scoped.as_ref().and_then(|_| self.proxy.columns_used(call, &statement.sql).ok());
        let tables = scoped.iter().flat_map(|scoped| scoped.tables());
        let seen = SeenStatement {
            sql: statement.sql.clone(),
            parameters: statement.parameters.clone(),
            tables: tables.map(|used| (used.table.clone(), used.operation)).collect(),
            rewritten: scoped.map(|scoped| scoped.text().to_owned()),
            columns: columns.into_iter().flatten().collect(),
            took,
            result: result.map(Shown::of).map_err(Clone::clone),
        };
        self.seen.note(call.request, Sight::Statement(Box::new(seen)));
    }

    /// Of a batch that failed, the statement that the gate refuses, or else the last, has the failure.
    fn note_failed_batch(
        &self,
        call: &Invocation,
        statements: &[Statement],
        took: Duration,
        failure: &Failure,
    ) {
        let refused =
            statements.iter().position(|statement| self.proxy.scoped(call, &statement.sql).is_err());
        let upto = refused.map_or(statements.len(), |at| at + 1);
        for statement in statements.iter().take(upto) {
            self.note(call, statement, took, Err(failure));
        }
    }
}

#[async_trait]
impl Database for Observed {
    async fn query(
        &self,
        call: &Invocation,
        statement: &Statement,
        encoding: Encoding,
    ) -> Result<Outcome, Failure> {
        let began = Instant::now();
        let result = Database::query(&self.proxy, call, statement, encoding).await;
        self.note(call, statement, began.elapsed(), result.as_ref());
        result
    }

    async fn batch(
        &self,
        call: &Invocation,
        statements: &[Statement],
        encoding: Encoding,
    ) -> Result<Vec<Outcome>, Failure> {
        let began = Instant::now();
        let result = self.proxy.batch(call, statements, encoding).await;
        match &result {
            Ok(outcomes) => {
                for (statement, outcome) in statements.iter().zip(outcomes) {
                    self.note(call, statement, began.elapsed(), Ok(outcome));
                }
            }
            Err(failure) => self.note_failed_batch(call, statements, began.elapsed(), failure),
        }
        result
    }

    async fn begin(&self, call: &Invocation) -> Result<Box<dyn Transaction>, Failure> {
        let open = self.proxy.begin(call).await?;
        Ok(Box::new(ObservedTransaction { observed: self.clone(), call: call.clone(), open }))
    }

    fn soft_deletable(&self, call: &Invocation, physical: &SqlName) -> bool {
        self.proxy.soft_deletable(call, physical)
    }
}

struct ObservedTransaction {
    observed: Observed,
    call: Invocation,
    open: Box<dyn Transaction>,
}

#[async_trait]
impl Transaction for ObservedTransaction {
    async fn query(&mut self, statement: &Statement, encoding: Encoding) -> Result<Outcome, Failure> {
        let began = Instant::now();
        let result = self.open.query(statement, encoding).await;
        self.observed.note(&self.call, statement, began.elapsed(), result.as_ref());
        result
    }

    async fn commit(self: Box<Self>) -> Result<(), Failure> {
        self.open.commit().await
    }

    async fn rollback(self: Box<Self>) -> Result<(), Failure> {
        self.open.rollback().await
    }
}
