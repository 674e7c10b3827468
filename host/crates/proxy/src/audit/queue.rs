//! Handing records over.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use applet_types::{AuditRecord, AuditSink, ErrorCode, Failure, Login};
use async_trait::async_trait;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

use super::batch::Progress;
use super::micros;
use super::writer::{AuditWriter, BATCH};
use crate::wire::Target;

/// How long a strict caller waits for its record to be durable.
const STRICT_PATIENCE: Duration = Duration::from_secs(5);

/// A record on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: i64,
    pub(super) number: i64,
    pub(super) record: AuditRecord,
    /// Told whether the record has become durable.
    pub(super) written: Option<oneshot::Sender<bool>>,
}

/// What the queue and its writer both know.
#[derive(Debug)]
pub(super) struct Numbers {
    writer: Uuid,
    base: i64,
    capacity: i64,
    issued: AtomicI64,
    refused: AtomicI64,
    /// Somebody has a record: from now on the process has to be known to the database.
    pub(super) needed: Notify,
}

impl Numbers {
    /// Numbers begin anywhere: how many a process has given out is nobody's business but the host's.
    fn new(capacity: usize) -> Self {
        let writer = Uuid::new_v4();
        let base = i64::try_from(writer.as_u128() & 0xff_ffff_ffff).unwrap_or_default();
        let capacity = i64::try_from(capacity).unwrap_or(i64::MAX);
        let (issued, refused) = (AtomicI64::new(base), AtomicI64::new(0));
        Self { writer, base, capacity, issued, refused, needed: Notify::new() }
    }

    fn take(&self) -> i64 {
        self.issued.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Counts records that the database would not take.
    pub(super) fn refuse(&self, records: usize) {
        self.refused.fetch_add(i64::try_from(records).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    pub(super) fn progress(&self, ended: bool) -> Progress {
        Progress {
            writer: self.writer,
            base: self.base,
            capacity: self.capacity,
            issued: self.issued.load(Ordering::SeqCst),
            refused: self.refused.load(Ordering::SeqCst),
            ended,
        }
    }
}

/// Whether the database knows this process, so that what it loses can be told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) yes: bool,
    /// How often it was given up to make it known.
    pub(super) failures: u64,
}

/// The state of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditStatus {
    /// Records that wait to be written.
    pub waiting: usize,
    /// Records that were lost because the database would not take them. Anything but 0 is an alarm.
    pub refused: u64,
}

/// The bounded queue. Cheap to clone.
#[derive(Clone)]
pub struct AuditQueue {
    sender: mpsc::Sender<Entry>,
    numbers: Arc<Numbers>,
    known: watch::Receiver<Known>,
    strict: bool,
}

impl AuditQueue {
    /// Starts a queue of `capacity` records. `login` may insert into `applet_host.audit`. With `strict`,
    /// whoever hands over a record waits until it is durable.
    pub fn start(target: Target, login: Login, capacity: usize, strict: bool) -> (Self, AuditWriter) {
        // Records of a batch that is being written have left the channel and count all the same.
        let capacity = capacity.max(2);
        let batch = BATCH.min(capacity / 2);
        let (sender, receiver) = mpsc::channel(capacity - batch);
        let (tell, known) = watch::channel(Known::default());
        let numbers = Arc::new(Numbers::new(capacity));
        let writer = AuditWriter::start(target, login, receiver, batch, Arc::clone(&numbers), tell);
        (Self { sender, numbers, known, strict }, writer)
    }

    /// Under which id this process numbers its records.
    pub fn writer(&self) -> Uuid {
        self.numbers.writer
    }

    /// Records that wait, and records that are lost.
    pub fn status(&self) -> AuditStatus {
        AuditStatus {
            waiting: self.sender.max_capacity() - self.sender.capacity(),
            refused: self.numbers.refused.load(Ordering::SeqCst).unsigned_abs(),
        }
    }

    /// Records that were handed over so far.
    #[cfg(test)]
    pub(crate) fn handed_over(&self) -> i64 {
        self.numbers.issued.load(Ordering::SeqCst) - self.numbers.base
    }

    /// Whether the writer took it.
    async fn hand_over(&self, waiting: &mut Waiting<'_>, written: Option<oneshot::Sender<bool>>) -> bool {
        let before = *self.known.borrow();
        if !before.yes {
            self.numbers.needed.notify_one();
            let mut known = self.known.clone();
            let known = known.wait_for(|known| known.yes || known.failures > before.failures).await;
            if !known.is_ok_and(|known| known.yes) {
                return false;
            }
        }
        let Ok(permit) = self.sender.reserve().await else { return false };
        // Nothing may be awaited from here on: a number that is given out is handed over.
        if let Some((at, record)) = waiting.record.take() {
            permit.send(Entry { at, number: self.numbers.take(), record, written });
        }
        true
    }
}

impl fmt::Debug for AuditQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditQueue").field("writer", &self.numbers.writer).finish_non_exhaustive()
    }
}

/// A record that is still with whoever made it. Dropped, because they stopped waiting, it is handed over
/// behind their back.
struct Waiting<'a> {
    queue: &'a AuditQueue,
    record: Option<(i64, AuditRecord)>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.record.is_none() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return lost(self) };
        if self.queue.sender.is_closed() {
            return lost(self);
        }
        if let Some(record) = self.record.take() {
            let queue = self.queue.clone();
            runtime.spawn(async move {
                let mut waiting = Waiting { queue: &queue, record: Some(record) };
                if !queue.hand_over(&mut waiting, None).await {
                    lost(&mut waiting);
                }
            });
        }
    }
}

/// The writer has ended, or the database will not have this process write.
fn lost(waiting: &mut Waiting<'_>) {
    if let Some((_, record)) = waiting.record.take() {
        waiting.queue.numbers.refuse(1);
        tracing::error!(request = %record.request, "an audit record is lost: nobody takes it");
    }
}

#[async_trait]
impl AuditSink for AuditQueue {
    async fn record(&self, record: AuditRecord) -> Result<(), Failure> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut waiting = Waiting { queue: self, record: Some((micros(since_epoch), record)) };
        if !self.strict {
            if !self.hand_over(&mut waiting, None).await {
                lost(&mut waiting);
            }
            return Ok(());
        }
        let (written, durable) = oneshot::channel();
        let durable = async {
            if self.hand_over(&mut waiting, Some(written)).await {
                return matches!(durable.await, Ok(true));
            }
            lost(&mut waiting);
            false
        };
        match timeout(STRICT_PATIENCE, durable).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(unrecorded()),
        }
    }
}

fn unrecorded() -> Failure {
    Failure::new(ErrorCode::AuditUnavailable, "the operation could not be recorded in the audit trail")
        .retry_after_ms(1_000)
}
