//! The task that empties the queue.
//!
//! It tries again for as long as the database may come back, and not for ever where it never will: what the
//! database refuses for what it is (a right that is gone, a value it cannot take) is given up after some
//! tries, alone where it can be told alone, counted, and said aloud.

use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_types::Login;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::batch;
use super::queue::{Entry, Known, Numbers};
use crate::wire::{Session, SessionSettings, Target, WireError};

/// Records written by one statement at most.
pub(super) const BATCH: usize = 500;
/// How long the writer lets records gather: a statement for each would cost the database more than the
/// reads that they tell of. Who waits for a record to be durable does not wait for this.
const LINGER: Duration = Duration::from_millis(20);
/// How long the writer waits before it tries again after the database failed it, at first and at most.
const RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// How often it tries what the database refuses for what it is.
const TRIES: u32 = 5;
/// How long one statement may take before its session is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it goes on without the database once it was told to end.
const LAST_PATIENCE: Duration = Duration::from_secs(10);
/// How often it says that it is alive when there is nothing to write.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The task that empties the queue.
#[derive(Debug)]
pub struct AuditWriter {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl AuditWriter {
    pub(super) fn start(
        target: Target,
        login: Login,
        receiver: mpsc::Receiver<Entry>,
        batch: usize,
        numbers: Arc<Numbers>,
        known: watch::Sender<Known>,
    ) -> Self {
        let stop = CancellationToken::new();
        let mut settings = SessionSettings::for_applets(&applet_types::ExecutionLimits::default(), 4);
        settings.application = "applet-host audit".into();
        settings.search_path = Some("pg_catalog, pg_temp");
        let database =
            Database { target: Arc::new(target), login, settings, session: None, numbers, refuses: false };
        let writing = Writing { database, stop: stop.clone(), told: None };
        let task = tokio::spawn(writing.run(receiver, batch, known));
        Self { task, stop }
    }

    /// Takes no more records, and waits until those that were handed over are written; without a database,
    /// no longer than ten seconds.
    pub async fn finish(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!("the audit writer ended early");
        }
    }
}

/// What an error means for what was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The database may come back.
    Passing,
    /// It takes none of it.
    Refused,
    /// It does not take one of these values.
    BadValue,
}

fn verdict(error: &WireError) -> Verdict {
    let WireError::Server(error) = error else { return Verdict::Passing };
    match error.state.get(..2) {
        // Data exception, constraint violation.
        Some("22" | "23") => Verdict::BadValue,
        // Access, authorisation, a feature or a thing that is not there.
        Some("0A" | "28" | "3D" | "3F" | "42") => Verdict::Refused,
        Some(_) | None => Verdict::Passing,
    }
}

/// The session that records are written on.
struct Database {
    target: Arc<Target>,
    login: Login,
    settings: SessionSettings,
    session: Option<Session>,
    numbers: Arc<Numbers>,
    /// It refused all of the last batch: the next one is tried once.
    refuses: bool,
}

impl Database {
    async fn write(&mut self, batch: &[Entry], ended: bool) -> Result<(), WireError> {
        // Read before the batch is written: what is in it was given out before.
        let progress = self.numbers.progress(ended);
        let session = match &mut self.session {
            Some(session) => session,
            None => {
                let target = Arc::clone(&self.target);
                self.session.insert(Session::connect(target, &self.login, &self.settings).await?)
            }
        };
        let written = timeout(PATIENCE, batch::write(session, progress, batch)).await;
        let written = written.unwrap_or(Err(WireError::Protocol("no answer in time")));
        if written.is_err() {
            self.session = None;
        }
        written
    }
}

struct Writing {
    database: Database,
    stop: CancellationToken,
    /// When it was told to end.
    told: Option<Instant>,
}

impl Writing {
    async fn run(mut self, mut receiver: mpsc::Receiver<Entry>, size: usize, known: watch::Sender<Known>) {
        let stop = self.stop.clone();
        let numbers = Arc::clone(&self.database.numbers);
        loop {
            tokio::select! {
                biased;
                () = numbers.needed.notified() => {}
                () = stop.cancelled() => return,
            }
            let yes = self.persist(false).await;
            known.send_modify(|known| {
                known.yes = yes;
                known.failures += u64::from(!yes);
            });
            if yes {
                break;
            }
        }
        let mut batch = Vec::new();
        while self.gather(&mut receiver, &mut batch, size).await {
            self.deliver(&mut batch).await;
        }
        self.persist(true).await;
        if let Some(session) = self.database.session.take() {
            session.close().await;
        }
    }

    /// Waits for records; `false` when none will come any more. None may come all the same: then it is time
    /// to say that this process is alive.
    async fn gather(
        &self,
        receiver: &mut mpsc::Receiver<Entry>,
        batch: &mut Vec<Entry>,
        size: usize,
    ) -> bool {
        let received = loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !receiver.is_closed() => receiver.close(),
                received = receiver.recv_many(batch, size) => break received,
                () = sleep(HEARTBEAT) => return true,
            }
        };
        if received > 0 && batch.len() < size && batch.iter().all(|entry| entry.written.is_none()) {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(LINGER) => {}
            }
            while batch.len() < size
                && let Ok(entry) = receiver.try_recv()
            {
                batch.push(entry);
            }
        }
        received > 0
    }

    /// Writes a batch, or gives up what of it cannot be written.
    async fn deliver(&mut self, batch: &mut Vec<Entry>) {
        let mut parts = vec![std::mem::take(batch)];
        while let Some(mut part) = parts.pop() {
            match self.try_to_write(&part, false).await {
                Ok(()) => tell(part, true),
                Err(Verdict::BadValue) if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Err(Verdict::BadValue | Verdict::Refused | Verdict::Passing) => {
                    if let (Some(first), Some(last)) = (part.first(), part.last()) {
                        let (from, to) = (first.number, last.number);
                        let records = part.len();
                        tracing::error!(
                            records,
                            from,
                            to,
                            "audit records are lost: the database refuses them"
                        );
                    }
                    self.database.numbers.refuse(part.len());
                    tell(part, false);
                }
            }
        }
    }

    /// Says how far the process has come.
    async fn persist(&mut self, ended: bool) -> bool {
        self.try_to_write(&[], ended).await.is_ok()
    }

    /// Tries until the database takes it, or it is clear that it will not.
    async fn try_to_write(&mut self, batch: &[Entry], ended: bool) -> Result<(), Verdict> {
        let mut wait = RETRY;
        let mut tries = 0;
        loop {
            let Err(error) = self.database.write(batch, ended).await else {
                self.database.refuses = false;
                return Ok(());
            };
            let verdict = verdict(&error);
            tracing::warn!(?error, records = batch.len(), "audit records wait for the database");
            tries += 1;
            match verdict {
                Verdict::BadValue => return Err(verdict),
                Verdict::Refused if self.database.refuses || tries >= TRIES => {
                    self.database.refuses = true;
                    return Err(verdict);
                }
                Verdict::Refused | Verdict::Passing => {}
            }
            if self.stop.is_cancelled() {
                let told = *self.told.get_or_insert_with(Instant::now);
                if told.elapsed() >= LAST_PATIENCE {
                    return Err(verdict);
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_RETRY);
        }
    }
}

fn tell(part: Vec<Entry>, durable: bool) {
    for written in part.into_iter().filter_map(|entry| entry.written) {
        // Whoever waited may be gone.
        let _gone = written.send(durable);
    }
}
