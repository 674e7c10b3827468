//! A host that serves: what runs beside its calls, from the first to the last.

use std::path::Path;
use std::sync::Arc;

use applet_datasource::embedded::Postgres;
use applet_lifecycle::Progress;
use applet_types::RequestId;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::error::told;
use crate::housekeeping::Housekeeping;
use crate::logs::LogDoor;
use crate::service::Service;
use crate::{Host, HostError, Teller};

/// A host, and everything that goes on in the background as long as it serves: it hears of changes that other
/// hosts make, purges, seals the audit trail, and answers `applet logs`.
///
/// Dropped without [`Serving::close`], it ends as if it was killed: nothing is damaged, what was written is
/// written, and records of reads that were still on their way are missing from the audit trail, which says so.
pub struct Serving {
    following: JoinHandle<()>,
    logs: Option<LogDoor>,
    housekeeping: Housekeeping,
    service: Arc<Service>,
    host: Arc<Host>,
    // Last, so that it is stopped when everybody else has let go of it.
    postgres: Option<Postgres>,
}

impl Serving {
    /// Finishes what an earlier host has left half-done, and starts to serve. `directory` is the data directory.
    ///
    /// # Errors
    ///
    /// When the database refuses; the host is closed then. What could not be finished is told, and does not keep
    /// the rest from being served.
    pub async fn start(
        mut host: Host,
        directory: &Path,
        teller: &Teller,
        progress: &dyn Progress,
    ) -> Result<Self, HostError> {
        if let Err(error) = finish(&host, teller, progress).await {
            if let Err(second) = host.close().await {
                tracing::warn!(error = %second, "a host that could not start was not closed cleanly");
            }
            return Err(error);
        }
        let postgres = host.detach_postgres();
        let host = Arc::new(host);
        let service = Arc::new(Service::new(Arc::clone(&host)));
        let following = service.follow();
        // A host that cannot be looked into serves all the same.
        let logs = LogDoor::open(directory, host.lines.clone())
            .inspect_err(|error| {
                teller.warning(format_args!("`applet logs` will not see this host: {error}"));
            })
            .ok();
        let housekeeping = Housekeeping::start(host.lifecycle.clone());
        Ok(Self { following, logs, housekeeping, service, host, postgres })
    }

    /// The host.
    pub const fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Calls hooks.
    pub const fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Ends what goes on in the background, writes what is left of the audit trail, lets go of every connection,
    /// and stops the private PostgreSQL if it is ours. Calls should be over by now: those that are not lose the
    /// database.
    ///
    /// # Errors
    ///
    /// When the private PostgreSQL does not stop.
    pub async fn close(self) -> Result<(), HostError> {
        let Self { following, logs, housekeeping, service, host, postgres } = self;
        following.abort();
        // It was told to end: that it has is no news.
        let _ended = following.await;
        drop(logs);
        housekeeping.stop().await;
        drop(service);
        if let Some(host) = Arc::into_inner(host) {
            host.close().await?;
        }
        match postgres {
            Some(postgres) if postgres.is_owned() => postgres.stop().await.map_err(told),
            Some(_) | None => Ok(()),
        }
    }
}

/// What hosts that were killed have left.
async fn finish(host: &Host, teller: &Teller, progress: &dyn Progress) -> Result<(), HostError> {
    let resumed = host.lifecycle.resume(RequestId::new(Uuid::now_v7()), progress).await;
    for (operation, outcome) in resumed.map_err(told)? {
        if let Err(error) = outcome {
            teller.warning(format_args!("operation {operation} could not be finished: {error}"));
        }
    }
    host.lifecycle.retire_unused_roles().await?;
    Ok(())
}
