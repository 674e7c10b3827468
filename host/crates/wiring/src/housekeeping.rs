//! What a served host does from time to time, beside its calls: purging rows whose time is over, and dropping
//! roles that nobody uses. Every host does it; each row is purged by one of them.

use std::time::Duration;

use applet_lifecycle::Lifecycle;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Between two rounds. Deadlines are days, so minutes are soon enough.
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// The work in the background.
pub(crate) struct Housekeeping {
    stop: oneshot::Sender<()>,
    work: JoinHandle<()>,
}

impl Housekeeping {
    /// Begins with the first round at once, on a thread of its own: it keeps no call waiting.
    pub(crate) fn start(lifecycle: Lifecycle) -> Self {
        let (stop, stopped) = oneshot::channel();
        let runtime = Handle::current();
        let work = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = rounds(&lifecycle) => {}
                    // Whether it was sent or its sender is gone: there is nothing more to do.
                    _stopped = stopped => {}
                }
            });
        });
        Self { stop, work }
    }

    /// Ends it. A round that is under way is undone by the database, and done by whoever comes next.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.work.await {
            tracing::error!(%error, "the housekeeping ended badly");
        }
    }
}

async fn rounds(lifecycle: &Lifecycle) {
    loop {
        round(lifecycle).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn round(lifecycle: &Lifecycle) {
    match lifecycle.purge(false).await {
        Ok(report) if report.purged.is_empty() && report.dropped.is_empty() => {}
        Ok(report) => {
            let rows: u64 = report.purged.iter().map(|rows| rows.rows).sum();
            tracing::info!(rows, tables = report.dropped.len(), "purged what uninstalled applets have left");
        }
        Err(error) => tracing::warn!(%error, "the purge failed and is tried again"),
    }
    if let Err(error) = lifecycle.retire_unused_roles().await {
        tracing::warn!(%error, "unused roles could not be dropped");
    }
}
