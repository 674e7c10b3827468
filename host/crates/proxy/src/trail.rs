//! What is written down about one statement, whatever becomes of it (S4.67-69).

use std::sync::Arc;
use std::time::Instant;

use crate::mask::masked;
use applet_gate::{ScopedStatement, StatementKind};
use applet_types::{AuditRecord, AuditSink, AuditedOperation, ErrorCode, Failure, Invocation, Operation};

/// Bytes of a refused statement that are kept.
const MAX_SQL_BYTES: usize = 2 << 10;

/// The record of a statement under way. Dropped unfinished (its future was cancelled), it is recorded as
/// ended by the deadline: no operation goes unrecorded because somebody stopped waiting for it.
pub(crate) struct Trail {
    sink: Option<Arc<dyn AuditSink>>,
    record: Option<AuditRecord>,
    started: Instant,
}

impl Trail {
    /// Starts the record of a statement that nobody has judged yet.
    pub(crate) fn start(sink: Option<Arc<dyn AuditSink>>, call: &Invocation) -> Self {
        let record = sink.is_some().then(|| AuditRecord {
            request: call.request,
            tenant: call.tenant,
            workspace: call.workspace,
            applet: call.applet.clone(),
            installation: call.installation,
            user: call.actor.user(),
            operation: AuditedOperation::Rejected,
            tables: Vec::new(),
            sql: String::new(),
            rows: 0,
            duration: std::time::Duration::ZERO,
            error: None,
        });
        Self { sink, record, started: Instant::now() }
    }

    /// The gate has refused it, or it never got that far.
    pub(crate) fn refused(&mut self, sql: &str) {
        if let Some(record) = &mut self.record
            && record.sql.is_empty()
        {
            record.sql = masked(sql, MAX_SQL_BYTES);
        }
    }

    /// The gate has let it pass.
    pub(crate) fn passed(&mut self, scoped: &ScopedStatement) {
        if let Some(record) = &mut self.record {
            record.operation = AuditedOperation::Statement(operation(scoped));
            record.tables = scoped.tables().iter().map(|used| used.table.to_string()).collect();
            record.tables.dedup();
            scoped.sanitised().clone_into(&mut record.sql);
        }
    }

    /// It is done. A write takes the record along into its transaction.
    pub(crate) fn succeeded(&mut self, rows: u64) -> Option<AuditRecord> {
        let mut record = self.record.take()?;
        record.rows = rows;
        record.duration = self.started.elapsed();
        Some(record)
    }

    /// The transaction that had taken the records along came to nothing.
    pub(crate) fn reopen(&mut self, records: Vec<AuditRecord>) {
        self.record = records.into_iter().next();
    }

    /// It is done, and the record goes to the queue, unless it went with a transaction. A read that has to
    /// be recorded and was not has failed.
    pub(crate) async fn succeeded_reading(mut self, rows: u64) -> Result<(), Failure> {
        match (self.succeeded(rows), self.sink.take()) {
            (Some(record), Some(sink)) => sink.record(record).await,
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// It failed, and the record goes to the queue.
    pub(crate) async fn failed(mut self, failure: &Failure) {
        if let (Some(mut record), Some(sink)) = (self.record.take(), self.sink.take()) {
            record.duration = self.started.elapsed();
            record.error = Some(failure.code);
            record.rows = 0;
            if record.tables.is_empty() {
                record.tables.extend(failure.table.clone());
            }
            // Nothing was done, and that it failed is what the caller is told anyway.
            let _unrecorded = sink.record(record).await;
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if let (Some(mut record), Some(sink)) = (self.record.take(), self.sink.take())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            record.duration = self.started.elapsed();
            record.error = Some(ErrorCode::Deadline);
            runtime.spawn(async move {
                // Nobody is left to be told.
                let _unrecorded = sink.record(record).await;
            });
        }
    }
}

/// What a statement counts as: what it does to the table it writes.
fn operation(scoped: &ScopedStatement) -> Operation {
    let written =
        scoped.tables().iter().map(|used| used.operation).find(|operation| *operation != Operation::Read);
    match (scoped.kind(), written) {
        (StatementKind::Select, _) => Operation::Read,
        (_, Some(operation)) => operation,
        (StatementKind::Insert, None) => Operation::Insert,
        (StatementKind::Update, None) => Operation::Update,
        (StatementKind::Delete, None) => Operation::HardDelete,
    }
}
