//! Sealing in the background, while a host serves.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use applet_store::{AuditKey, Store};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::heads::sign_heads;

/// How long a process that records may be silent before what it left unwritten counts as lost: four of its
/// heartbeats.
pub const LEASE: Duration = Duration::from_secs(60);

/// How often the chain is continued, and how often silent processes are looked for.
const EVERY: Duration = Duration::from_secs(1);
const SETTLE_EVERY: Duration = Duration::from_secs(15);
/// How often heads are signed.
const SIGN_EVERY: Duration = Duration::from_secs(3_600);
/// How long one round may go on.
const ROUND: Duration = Duration::from_secs(5);
/// How long a host that stops goes on sealing.
const LAST_ROUND: Duration = Duration::from_secs(2);
/// The longest pause after failures.
const LONGEST_PAUSE: u32 = 30;

/// The task that seals.
pub struct Sealing {
    task: JoinHandle<()>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Sealing {
    /// Starts it. Any number of hosts may do so on one database.
    pub fn start(store: Store, directory: PathBuf, key: AuditKey) -> Self {
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let task = tokio::spawn(async move {
            let mut rounds = Rounds { store, directory, key, settled: None, signed: None };
            let mut failures = 0_u32;
            loop {
                let pause = EVERY * (1 << failures.min(5)).min(LONGEST_PAUSE);
                // An error means that whoever could stop us is gone.
                if timeout(pause, stopped.wait_for(|stop| *stop)).await.is_ok() {
                    return;
                }
                match rounds.round().await {
                    Ok(()) => failures = 0,
                    Err(error) => {
                        failures += 1;
                        tracing::warn!(%error, "the audit trail waits to be sealed");
                    }
                }
            }
        });
        Self { task, stop }
    }

    /// Ends it, after the round that is under way.
    pub async fn finish(self) {
        self.stop.send_replace(true);
        if self.task.await.is_err() {
            tracing::error!("the sealing of the audit trail ended early");
        }
    }
}

struct Rounds {
    store: Store,
    directory: PathBuf,
    key: AuditKey,
    settled: Option<Instant>,
    signed: Option<Instant>,
}

impl Rounds {
    async fn round(&mut self) -> Result<(), crate::HostError> {
        if is_due(self.settled, SETTLE_EVERY) {
            self.store.settle_writers(LEASE).await.map_err(crate::error::told)?;
            self.settled = Some(Instant::now());
        }
        self.store.seal(ROUND).await.map_err(crate::error::told)?;
        if is_due(self.signed, SIGN_EVERY) {
            sign_heads(&self.store, &self.directory, &self.key).await?;
            self.signed = Some(Instant::now());
        }
        Ok(())
    }
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}

/// Seals what a process that ends has recorded, as far as that is done quickly; the rest is left to others.
pub async fn seal_at_the_end(store: &Store) {
    if let Err(error) = store.seal(LAST_ROUND).await {
        tracing::warn!(%error, "the audit trail waits to be sealed");
    }
}
