//! The session of an open transaction, watched: a guest that opens a transaction and then does nothing, or
//! never ends it, holds locks and a permit that its neighbours need.
//!
//! *Invariant:* the session is in one of three places: here, where the watchdog may take it; with the
//! statement that runs, which has a time limit of its own; or gone. Whoever takes it ends its transaction.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use applet_types::{ErrorCode, ExecutionLimits, Failure};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::execute;
use crate::pool::Lease;
use crate::proxy::Holding;

/// A session that is rolled back and given back when it was idle, or held, for too long.
pub(crate) struct Watched {
    shared: Arc<Shared>,
    watchdog: AbortHandle,
}

struct Shared {
    held: Mutex<Held>,
    /// Told when the session comes back from a statement.
    returned: Notify,
    until: Instant,
    idle: Duration,
    limits: ExecutionLimits,
}

struct Held {
    lease: Option<Lease>,
    /// Says that the invocation has a transaction open; it may begin another when this one is over.
    holding: Option<Holding>,
    last_used: Instant,
    /// Why the watchdog took the session.
    overdue: Option<Failure>,
}

/// What the watchdog finds.
enum Found {
    /// A statement runs.
    InUse,
    /// Idle, and in time until then.
    Until(Instant),
    /// Idle for too long, or open for too long.
    Overdue(Lease),
    /// The transaction has ended.
    Gone,
}

impl Watched {
    /// Watches over a session from now on. Must be called inside a tokio runtime.
    pub(crate) fn new(lease: Lease, holding: Holding, limits: &ExecutionLimits) -> Self {
        let now = Instant::now();
        let held = Held { lease: Some(lease), holding: Some(holding), last_used: now, overdue: None };
        let shared = Arc::new(Shared {
            held: Mutex::new(held),
            returned: Notify::new(),
            until: now + Duration::from_millis(limits.transaction_ms),
            idle: Duration::from_millis(limits.idle_in_transaction_ms),
            limits: limits.clone(),
        });
        let watchdog = tokio::spawn(watch(Arc::clone(&shared))).abort_handle();
        Self { shared, watchdog }
    }

    /// Time that the transaction has left in all.
    pub(crate) fn time_left(&self) -> Duration {
        self.shared.until.saturating_duration_since(Instant::now())
    }

    /// The session, to run a statement or to end the transaction. `Ok(None)` when it has ended already.
    ///
    /// # Errors
    ///
    /// When it was idle or open for too long and is therefore rolled back.
    pub(crate) fn take(&self) -> Result<Option<Lease>, Failure> {
        let found = {
            let mut held = self.shared.held();
            let found = held.look(&self.shared, Instant::now());
            match &held.overdue {
                Some(overdue) => Err((overdue.clone(), found)),
                None => Ok(held.lease.take()),
            }
        };
        found.map_err(|(failure, found)| {
            if let Found::Overdue(lease) = found {
                end(lease);
            }
            failure
        })
    }

    /// Gives the session back after a statement.
    pub(crate) fn put_back(&self, lease: Lease) {
        let mut held = self.shared.held();
        held.lease = Some(lease);
        held.last_used = Instant::now();
        drop(held);
        self.shared.returned.notify_one();
    }
}

impl Drop for Watched {
    /// Rolls back in the background, so that the session need not be opened anew.
    fn drop(&mut self) {
        self.watchdog.abort();
        // Here and now: the watchdog's own end may come later.
        let (lease, holding) = {
            let mut held = self.shared.held();
            (held.lease.take(), held.holding.take())
        };
        drop(holding);
        if let Some(lease) = lease {
            end(lease);
        }
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing in it is left half done by a panic: there is no code in between that could.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn look(&mut self, shared: &Shared, now: Instant) -> Found {
        if self.overdue.is_some() {
            return Found::Gone;
        }
        let Some(lease) = self.lease.take() else { return Found::InUse };
        let idle_until = self.last_used + shared.idle;
        if now < idle_until && now < shared.until {
            self.lease = Some(lease);
            return Found::Until(idle_until.min(shared.until));
        }
        let limits = &shared.limits;
        let message = if now < shared.until {
            format!(
                "the transaction was idle for more than {} ms and is rolled back",
                limits.idle_in_transaction_ms
            )
        } else {
            format!("the transaction was open for more than {} ms and is rolled back", limits.transaction_ms)
        };
        let failure = Failure::new(ErrorCode::StatementTimeout, message)
            .hint("compute before the transaction begins, and end it as soon as its statements are done");
        self.overdue = Some(failure);
        self.holding = None;
        Found::Overdue(lease)
    }
}

/// Ends when the transaction does, by itself or by being aborted.
async fn watch(shared: Arc<Shared>) {
    loop {
        let found = shared.held().look(&shared, Instant::now());
        match found {
            Found::InUse => shared.returned.notified().await,
            Found::Until(instant) => tokio::time::sleep_until(instant.into()).await,
            Found::Overdue(lease) => return end(lease),
            Found::Gone => return,
        }
    }
}

/// Rolls back in a task of its own: nobody who goes away can interrupt it.
fn end(mut lease: Lease) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { execute::undo(&mut lease).await });
    }
}
