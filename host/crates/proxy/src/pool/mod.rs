//! Permits and sessions of one database.
//!
//! A statement gets its permit before its session, the applet's first, then the tenant's, then a place in
//! the database's budget (S4.7, S4.61). Sessions keep their role for life; when the budget is full, the
//! longest-idle session of another role is closed to make room. Who has to wait stands in its applet's
//! queue, and the queues are served in turn, as are the tenants within one: who floods waits behind itself.
//!
//! The caps hold across hosts (SPEC Decision 18): each host has a [share](shares) of each, and the
//! [`keeper`] asks for more when somebody waits, and gives back what others want.
//!
//! *Invariant:* a session counts until the server's process is gone, so whoever counts at the server never
//! sees more than the caps. A session that is not known to be idle is never handed out again.
//!
//! Start reading at [`Pool::lease`]; who may have what is decided in [`ledger`].

mod balance;
mod keeper;
mod lease;
mod ledger;
mod presence;
mod shares;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use applet_types::{AppletId, ErrorCode, Failure, HostLimits, Login, TenantId};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

pub(crate) use lease::Lease;
use lease::{Grant, Provision};
use ledger::Ledger;

use crate::config::KeeperConfig;
use crate::tenure::Tenure;
use crate::wire::{Session, SessionSettings, Target, Tenants, WireError};
use keeper::Keeper;

/// How long a new session may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long closing the pool waits for sessions that are in use.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// How often idle sessions are looked over.
const REAP_INTERVAL: Duration = Duration::from_secs(5);

/// Numbers of a pool at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Sessions that exist at the server, those being opened or closed included.
    pub open: usize,
    /// Sessions that work for somebody.
    pub in_use: usize,
    /// Statements that wait for one.
    pub waiting: usize,
}

/// Who asks for a session.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    pub(crate) applet: AppletId,
    pub(crate) tenant: TenantId,
    pub(crate) login: Arc<Login>,
    /// Whether it may wait: not while it holds a session already, or it could wait for itself.
    pub(crate) may_wait: bool,
    pub(crate) deadline: Instant,
}

/// Why there is no session.
#[derive(Debug)]
pub(crate) enum NoLease {
    /// The caller is told this.
    Refused(Failure),
    /// The server could not be reached, or did not let us in.
    Connect(WireError),
}

/// The sessions of one database.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(in crate::pool) struct Shared {
    target: Arc<Target>,
    settings: SessionSettings,
    tenants: Option<Arc<Tenants>>,
    limits: HostLimits,
    ledger: Mutex<Ledger>,
    /// Under which sessions are opened; none while this host shares its caps and has not asked for any.
    tenure: RwLock<Option<Arc<Tenure>>>,
    /// Told whenever a session comes back or ends.
    released: Notify,
    /// Told when the keeper has something to ask for, or to give back.
    stirred: Arc<Notify>,
    /// Whether the pool takes nothing any more.
    closed: AtomicBool,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing in the ledger is left half done by a panic: there is no code in between that could.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the ledger and hands out what became free. Grants that nobody takes any more are dropped
    /// outside the lock, which gives them back.
    fn update<R>(self: &Arc<Self>, change: impl FnOnce(&mut Ledger) -> R) -> R {
        let (result, undelivered) = {
            let mut ledger = self.ledger();
            let result = change(&mut ledger);
            let undelivered = if self.may_serve(&ledger) { ledger.dispatch(self) } else { Vec::new() };
            (result, undelivered)
        };
        drop(undelivered);
        self.released.notify_waiters();
        result
    }

    /// Whether sessions may be opened and used at this moment: always where the caps are ours alone, else
    /// while the database is known to count on us.
    fn may_serve(&self, ledger: &Ledger) -> bool {
        !ledger.shared || self.tenure().is_some_and(|tenure| tenure.holds())
    }

    fn tenure(&self) -> Option<Arc<Tenure>> {
        self.tenure.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The keeper ends with the pool.
        self.stirred.notify_one();
    }
}

impl Pool {
    /// A pool whose caps are its own, or with the keeper's login shared with other hosts.
    pub(crate) fn new(
        target: Arc<Target>,
        settings: SessionSettings,
        tenants: Option<Arc<Tenants>>,
        limits: HostLimits,
        keeper: Option<KeeperConfig>,
    ) -> Self {
        let shared = Shared {
            ledger: Mutex::new(Ledger::new(&limits, keeper.is_some())),
            tenure: RwLock::default(),
            released: Notify::new(),
            stirred: Arc::default(),
            closed: AtomicBool::new(false),
            target,
            settings,
            tenants,
            limits,
        };
        let shared = Arc::new(shared);
        if let Some(config) = keeper {
            tokio::spawn(Keeper::new(config, &shared).keep());
        }
        Self { shared }
    }

    /// What happens to a grant whose caller has gone.
    #[cfg(test)]
    pub(crate) fn drop_a_grant(&self, want: &Want) {
        let grant = self.shared.ledger().grant(want, &self.shared);
        drop(grant);
    }

    /// Closes sessions that are too old or idle for too long, until the pool is gone.
    pub(crate) fn reap(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        async move {
            loop {
                tokio::time::sleep(REAP_INTERVAL).await;
                let Some(shared) = shared.upgrade() else { return };
                let expired = shared.ledger().take_expired(&shared.limits, Instant::now());
                for idle in expired {
                    tokio::spawn(idle.close());
                }
            }
        }
    }

    /// Numbers at this moment.
    pub(crate) fn status(&self) -> PoolStatus {
        self.shared.ledger().status()
    }

    /// Closes every session, those in use when they come back, and waits until the server has let go.
    pub(crate) async fn close(&self) {
        let all_gone = async {
            loop {
                let mut released = std::pin::pin!(self.shared.released.notified());
                released.as_mut().enable();
                let idle = self.shared.ledger().take_idle();
                let nothing_idle = idle.is_empty();
                for idle in idle {
                    idle.close().await;
                }
                if self.status().open == 0 {
                    return;
                }
                if nothing_idle {
                    released.await;
                }
            }
        };
        if timeout(CLOSE_PATIENCE, all_gone).await.is_err() {
            tracing::warn!("sessions were still in use when the pool was closed");
        }
        self.shared.closed.store(true, Ordering::Release);
        let left = async {
            loop {
                let mut released = std::pin::pin!(self.shared.released.notified());
                released.as_mut().enable();
                self.shared.stirred.notify_one();
                if self.shared.tenure().is_none() {
                    return;
                }
                released.await;
            }
        };
        // If the shares cannot be given back now, the lease runs out.
        let _left = timeout(CLOSE_PATIENCE, left).await;
    }

    /// A session for `want`, exclusively, until the lease is dropped.
    pub(crate) async fn lease(&self, want: Want) -> Result<Lease, NoLease> {
        let grant = self.grant(&want).await?;
        let provision = match grant.redeem() {
            Some(Ok(lease)) => return Ok(lease),
            Some(Err(provision)) => provision,
            None => return Err(NoLease::Connect(WireError::Protocol("a grant was used twice"))),
        };
        // In a task of its own: a caller that goes away must not leave a half-opened session that
        // nobody counts.
        let opening = tokio::spawn(open(Arc::clone(&self.shared), provision, Arc::clone(&want.login)));
        let left = want.deadline.saturating_duration_since(Instant::now());
        match timeout(left, opening).await {
            Ok(Ok(lease)) => lease.map_err(NoLease::Connect),
            Ok(Err(_)) => Err(NoLease::Connect(WireError::Protocol("the opening of a session failed"))),
            Err(_) => {
                Err(NoLease::Refused(Failure::new(ErrorCode::Deadline, "the invocation's time is over")))
            }
        }
    }

    async fn grant(&self, want: &Want) -> Result<Grant, NoLease> {
        let (waiting, ticket, joining) = {
            let mut ledger = self.shared.ledger();
            if self.shared.may_serve(&ledger)
                && let Some(grant) = ledger.grant(want, &self.shared)
            {
                return Ok(grant);
            }
            if !want.may_wait {
                return Err(NoLease::Refused(busy(
                    "this invocation holds a transaction, and no further connection is free",
                    self.shared.limits.queue_wait_ms,
                )));
            }
            let (sender, receiver) = oneshot::channel();
            match ledger.enqueue(want, sender) {
                Some((ticket, pushed_out)) => {
                    // Its caller is told by that.
                    drop(pushed_out);
                    if ledger.lacks(want) {
                        self.shared.stirred.notify_one();
                    }
                    (receiver, ticket, ledger.shared && self.shared.tenure().is_none())
                }
                None => {
                    return Err(NoLease::Refused(busy(
                        "too many statements of this applet wait for a connection",
                        self.shared.limits.queue_wait_ms,
                    )));
                }
            }
        };
        let _place = Place { shared: &self.shared, want, ticket };
        let queue_wait = match joining {
            // A host's first statement waits for a connection to be made, not in a queue.
            true => CONNECT_TIMEOUT,
            false => Duration::from_millis(self.shared.limits.queue_wait_ms),
        };
        let left = want.deadline.saturating_duration_since(Instant::now());
        match timeout(queue_wait.min(left), waiting).await {
            Ok(Ok(grant)) => Ok(grant),
            Ok(Err(_)) | Err(_) => Err(NoLease::Refused(self.none_in_time())),
        }
    }

    fn none_in_time(&self) -> Failure {
        let retry_after_ms = self.shared.limits.queue_wait_ms;
        if self.shared.may_serve(&self.shared.ledger()) {
            return busy("no connection became free in time", retry_after_ms);
        }
        // Nobody can tell how many connections other hosts have: none is better than too many.
        Failure::new(ErrorCode::DatabaseUnavailable, "the database cannot be reached at the moment")
            .retry_after_ms(retry_after_ms.max(1))
    }
}

/// A place in a queue; given up when the waiting ends, however it ends.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    want: &'a Want,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.ledger().leave_queue(&self.want.applet, self.want.tenant, self.ticket);
    }
}

fn busy(message: &str, retry_after_ms: u64) -> Failure {
    Failure::new(ErrorCode::ConnectionCap, message).retry_after_ms(retry_after_ms.max(1))
}

/// Opens a session in a granted place; the session that had the place before is closed first.
async fn open(shared: Arc<Shared>, mut provision: Provision, login: Arc<Login>) -> Result<Lease, WireError> {
    if let Some(replaced) = provision.replaced.take() {
        replaced.close().await;
    }
    let mut settings = shared.settings.clone();
    if let Some(tenure) = shared.tenure() {
        settings.application = tenure.application().into();
        settings.tenure = Some(tenure);
    }
    // The host may have been given up, and have begun anew, since the place was granted.
    if !shared.ledger().is_current(provision.slot.term) {
        return Err(WireError::Protocol("the place of a session was lost before it was opened"));
    }
    let connecting = async {
        let mut session = Session::connect(Arc::clone(&shared.target), &login, &settings).await?;
        if let Some(tenants) = &shared.tenants {
            session.agree(tenants, &login.role).await?;
        }
        Ok::<_, WireError>(session)
    };
    let session = match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(session) => session?,
        Err(_) => return Err(WireError::Lost(std::io::ErrorKind::TimedOut.into())),
    };
    if settings.tenure.is_some_and(|tenure| !tenure.holds()) {
        session.close().await;
        return Err(WireError::Protocol("the place of a session was lost while it was opened"));
    }
    Ok(provision.into_lease(session, &login))
}
