//! The audit trail: how a record is written, and the queue for reads and denials (SPEC Decision 9).
//!
//! A write's record goes through `applet_host.audit_write` inside the write's own transaction. Reads and
//! denials go through [`AuditQueue`]: bounded, written in batches, flushed on shutdown. Who hands over a
//! record while the queue is full waits.

mod columns;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use applet_types::{AuditRecord, AuditSink, Encoding, Login};
use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::columns::columns;
use crate::values::Fit;
use crate::wire::{Bound, End, Exchange, Fetch, Session, SessionSettings, Settings, Target, WireError};

/// Records written by one statement.
const BATCH: usize = 500;
/// How long the writer lets records gather: a statement for each would cost the database more than the
/// reads that they tell of. Who waits for a record to be durable does not wait for this.
const LINGER: Duration = Duration::from_millis(20);
/// How long the writer waits before it tries again after the database failed it.
const RETRY: Duration = Duration::from_millis(200);
/// Bytes of a statement that are kept.
const MAX_SQL_BYTES: usize = 2 << 10;

/// The parameters of `applet_host.audit_write`.
pub(crate) fn parameters(record: &AuditRecord) -> Vec<Fit<'_>> {
    vec![
        Fit::Uuid(record.request.as_uuid().into_bytes()),
        Fit::Uuid(record.workspace.as_uuid().into_bytes()),
        Fit::Text(Cow::Borrowed(record.applet.as_str())),
        Fit::Uuid(record.installation.as_uuid().into_bytes()),
        record.user.map_or(Fit::Null, |user| Fit::Uuid(user.as_uuid().into_bytes())),
        Fit::Text(Cow::Borrowed(record.operation.as_str())),
        Fit::Text(Cow::Owned(array(record.tables.iter().map(String::as_str)))),
        Fit::Text(Cow::Borrowed(kept_sql(&record.sql))),
        Fit::Int8(integer(record.rows)),
        Fit::Int8(micros(record.duration)),
        record.error.map_or(Fit::Null, |code| Fit::Text(Cow::Borrowed(code.as_str()))),
    ]
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn kept_sql(sql: &str) -> &str {
    sql.get(..sql.floor_char_boundary(MAX_SQL_BYTES)).unwrap_or_default()
}

/// An array literal of PostgreSQL.
fn array<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("{");
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push('"');
        for letter in item.chars() {
            match letter {
                // No text in PostgreSQL has one.
                '\0' => {}
                '"' | '\\' => out.extend(['\\', letter]),
                letter => out.push(letter),
            }
        }
        out.push('"');
    }
    out.push('}');
    out
}

/// One array per column.
const INSERT: &str = "\
INSERT INTO applet_host.audit (at, request, tenant, workspace, applet, installation, user_id, role, operation, \
tables, sql, rows, duration_us, error) \
SELECT 'epoch'::timestamptz + r.at * interval '1 microsecond', r.request, r.tenant, r.workspace, r.applet, \
r.installation, r.user_id, session_user, r.operation, r.tables::text[], r.sql, r.rows, r.duration_us, r.error \
FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[], $8::text[], \
$9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[]) \
AS r(at, request, tenant, workspace, applet, installation, user_id, operation, tables, sql, rows, duration_us, error)";

#[derive(Debug)]
struct Entry {
    at: i64,
    record: AuditRecord,
    /// Told when the record is durable.
    written: Option<oneshot::Sender<()>>,
}

/// The bounded queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditQueue {
    sender: mpsc::Sender<Entry>,
    strict: bool,
}

/// The task that empties the queue.
#[derive(Debug)]
pub struct AuditWriter {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl AuditWriter {
    /// Takes no more records, and waits until those that were handed over are written.
    pub async fn finish(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!("the audit writer ended early");
        }
    }
}

impl AuditQueue {
    /// Starts a queue of `capacity` records. `login` may insert into `applet_host.audit`. With `strict`,
    /// whoever hands over a record waits until it is durable.
    pub fn start(target: Target, login: Login, capacity: usize, strict: bool) -> (Self, AuditWriter) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        let stop = CancellationToken::new();
        let task = tokio::spawn(write_all(Arc::new(target), login, receiver, stop.clone()));
        (Self { sender, strict }, AuditWriter { task, stop })
    }
}

#[async_trait]
impl AuditSink for AuditQueue {
    async fn record(&self, record: AuditRecord) {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (written, wait) = if self.strict {
            let (sender, receiver) = oneshot::channel();
            (Some(sender), Some(receiver))
        } else {
            (None, None)
        };
        let entry = Entry { at: micros(since_epoch), record, written };
        if self.sender.send(entry).await.is_err() {
            tracing::error!("an audit record came after the writer had ended");
            return;
        }
        if let Some(wait) = wait
            && wait.await.is_err()
        {
            tracing::error!("the audit writer ended before a record was durable");
        }
    }
}

async fn write_all(
    target: Arc<Target>,
    login: Login,
    mut receiver: mpsc::Receiver<Entry>,
    stop: CancellationToken,
) {
    let mut settings = SessionSettings::for_applets(&applet_types::ExecutionLimits::default(), 4);
    settings.application = "applet-host audit";
    settings.search_path = Some("pg_catalog, pg_temp");
    let mut session = None;
    let mut batch = Vec::new();
    loop {
        let received = tokio::select! {
            biased;
            () = stop.cancelled(), if !receiver.is_closed() => {
                receiver.close();
                continue;
            }
            received = receiver.recv_many(&mut batch, BATCH) => received,
        };
        if received == 0 {
            break;
        }
        if batch.len() < BATCH && batch.iter().all(|entry| entry.written.is_none()) {
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(LINGER) => {}
            }
            while batch.len() < BATCH
                && let Ok(entry) = receiver.try_recv()
            {
                batch.push(entry);
            }
        }
        while let Err(error) = write_batch(&target, &login, &settings, &mut session, &batch).await {
            tracing::warn!(?error, records = batch.len(), "audit records wait for the database");
            session = None;
            sleep(RETRY).await;
        }
        for entry in batch.drain(..) {
            if let Some(written) = entry.written {
                // Whoever waited may be gone.
                let _ = written.send(());
            }
        }
    }
    if let Some(session) = session {
        Session::close(session).await;
    }
}

async fn write_batch(
    target: &Arc<Target>,
    login: &Login,
    settings: &SessionSettings,
    session: &mut Option<Session>,
    batch: &[Entry],
) -> Result<(), WireError> {
    let session = match session {
        Some(session) => session,
        None => session.insert(Session::connect(Arc::clone(target), login, settings).await?),
    };
    let prepared = session.prepare(&[INSERT]).await?;
    let Some(prepared) = prepared.first() else { return Err(WireError::Protocol("nothing was prepared")) };
    let columns = columns(batch);
    let parameters = columns.iter().map(|column| Fit::Bytes(column)).collect();
    let fetch = Fetch { encoding: Encoding::Packed, rows: 0, truncate: false, row_bytes: 0, result_bytes: 0 };
    let exchange = Exchange {
        begin: true,
        settings: Settings::default(),
        statements: &[Bound { prepared, parameters, fetch }],
        end: Some(End::Commit),
        ..Exchange::default()
    };
    session.exchange(&exchange).await.map(|_| ())
}
