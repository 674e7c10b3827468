//! Keeps this host's shares of the caps (SPEC Decision 18): asks for more when somebody waits, gives back what
//! others want, and extends the host's lease with one row for everything it holds.
//!
//! A host that has what it needs sends one look in a tenth of a second, and statements none. It joins the
//! others when it needs its first session; who needs none is nobody's neighbour.
//!
//! *Invariant:* what the database has down is lowered after the sessions are gone, and what is allowed is
//! raised after the database has put it down. When the lease cannot be extended, no session is opened or
//! used, and idle ones are closed, before it is over ([`Tenure`]). A host that was given up meanwhile begins
//! anew under another name, with nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use applet_types::{CellRef, ExecutionLimits};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::Shared;
use super::presence::{self, Presence};
use super::shares::{Ask, Wanting, What};
use crate::config::KeeperConfig;
use crate::tenure::Tenure;
use crate::values::Fit;
use crate::wire::{Session, SessionSettings, Target, WireError};

/// How often a host looks at what others want, and asks again for what it did not get.
const LOOK: Duration = Duration::from_millis(100);
/// How long a host that did not get what it asked for waits at least.
const BETWEEN_ASKS: Duration = Duration::from_millis(20);
/// How long sessions that make room for other hosts may take to close before something else is done.
const CLOSED_WITHIN: Duration = Duration::from_millis(500);
/// How often it is looked whether the sessions of a host that left are gone.
const TRIES: u32 = 20;
/// How often the lease is extended.
const EXTEND: Duration = Duration::from_secs(2);
/// How long the server may take to answer; its own limit is shorter.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long nobody asks a database that could not be asked.
const PAUSE: Duration = Duration::from_millis(200);
/// How long an unused share is kept.
const UNUSED: Duration = Duration::from_secs(120);

/// A list of what others want.
#[derive(Deserialize)]
struct Wanted {
    what: String,
    total: usize,
    wanting: Vec<(usize, usize)>,
}

/// Why a round ended early.
enum Broken {
    /// The others have given this host up.
    GivenUp,
    /// The database did not answer, or not as it should.
    Silent(WireError),
}

impl From<WireError> for Broken {
    fn from(error: WireError) -> Self {
        Self::Silent(error)
    }
}

pub(super) struct Keeper {
    shared: Weak<Shared>,
    stirred: Arc<Notify>,
    target: Arc<Target>,
    config: KeeperConfig,
    presence: Option<Presence>,
    session: Option<Session>,
    extended: Instant,
    looked: Instant,
    asked: Option<Instant>,
    /// Whether an answer was lost, so that what the database has down is not known.
    lost_count: bool,
}

impl Keeper {
    pub(super) fn new(config: KeeperConfig, shared: &Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            shared: Arc::downgrade(shared),
            stirred: Arc::clone(&shared.stirred),
            target: Arc::clone(&shared.target),
            config,
            presence: None,
            session: None,
            extended: now,
            looked: now,
            asked: None,
            lost_count: false,
        }
    }

    /// Keeps the shares as long as the pool is there.
    pub(super) async fn keep(mut self) {
        loop {
            let Some(shared) = self.shared.upgrade() else { return };
            if shared.closed.load(std::sync::atomic::Ordering::Acquire) {
                return self.leave(&shared).await;
            }
            let ended = self.round(&shared).await;
            let joined = shared.tenure().is_some();
            let hungry = !shared.ledger().asks().is_empty();
            match ended {
                Ok(()) => {}
                Err(Broken::GivenUp) => {
                    tracing::warn!("the other hosts have given this one up; it begins anew");
                    begin_anew(&shared);
                    continue;
                }
                Err(Broken::Silent(error)) => {
                    tracing::warn!(?error, "shares of the caps cannot be kept: the database does not answer");
                    self.break_off().await;
                    close_if_over(&shared);
                    drop(shared);
                    sleep(PAUSE).await;
                    continue;
                }
            }
            // Nothing of the pool is held while there is nothing to do: it may be dropped.
            drop(shared);
            let stirred = self.stirred.notified();
            if joined {
                let most = if hungry { BETWEEN_ASKS } else { LOOK };
                let _time = timeout(most, stirred).await;
            } else {
                stirred.await;
            }
        }
    }

    async fn round(&mut self, shared: &Arc<Shared>) -> Result<(), Broken> {
        close_if_over(shared);
        let tenure = match shared.tenure() {
            Some(tenure) => tenure,
            None if shared.ledger().asks().is_empty() => return Ok(()),
            None => self.join(shared).await?,
        };
        if self.extended.elapsed() >= EXTEND || !tenure.holds() {
            self.extend(shared, &tenure).await?;
        }
        if self.lost_count {
            self.recount(shared, &tenure).await?;
        }
        if self.asked.is_none_or(|asked| asked.elapsed() >= BETWEEN_ASKS) {
            let asks = shared.ledger().asks();
            if !asks.is_empty() {
                self.take(shared, &tenure, &asks).await?;
                self.asked = Some(Instant::now());
            }
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.look(shared, &tenure).await?;
        }
        self.give_back(shared, &tenure).await
    }

    async fn join(&mut self, shared: &Arc<Shared>) -> Result<Arc<Tenure>, Broken> {
        let host = Uuid::now_v7();
        self.presence = None;
        if let Some(directory) = &self.config.directory {
            match Presence::announce(directory, host) {
                Ok(presence) => self.presence = Some(presence),
                Err(error) => tracing::warn!(%error, "should this host crash, its shares come back late"),
            }
        }
        let asked = Instant::now();
        self.ask("SELECT applet_host.pool_join($1)::text", host, None).await?;
        self.extended = asked;
        self.lost_count = false;
        let tenure = Arc::new(Tenure::begin(host, asked));
        *shared.tenure.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&tenure));
        self.bury_own_dead().await?;
        Ok(tenure)
    }

    /// Ends the leases of hosts of this machine whose processes are gone.
    async fn bury_own_dead(&mut self) -> Result<(), Broken> {
        let Some(directory) = self.config.directory.clone() else { return Ok(()) };
        for host in presence::dead(&directory) {
            if self.end(host).await? {
                presence::forget(&directory, host);
            }
        }
        Ok(())
    }

    /// Ends a lease and what sessions there are under it. Says whether nothing is left of it.
    async fn end(&mut self, host: Uuid) -> Result<bool, Broken> {
        for _ in 0..TRIES {
            let left = self.ask("SELECT applet_host.pool_leave($1)::text", host, None).await?;
            if left.as_deref() == Some("true") {
                return Ok(true);
            }
            sleep(LOOK / 2).await;
        }
        Ok(false)
    }

    async fn extend(&mut self, shared: &Arc<Shared>, tenure: &Tenure) -> Result<(), Broken> {
        let asked = Instant::now();
        let answer = self.ask("SELECT applet_host.pool_extend($1)::text", tenure.host(), None).await?;
        if answer.as_deref() != Some("true") {
            return Err(Broken::GivenUp);
        }
        self.extended = asked;
        tenure.extend(asked);
        shared.update(|ledger| ledger.give_up_unused(UNUSED, asked));
        Ok(())
    }

    async fn recount(&mut self, shared: &Arc<Shared>, tenure: &Tenure) -> Result<(), Broken> {
        let held = self.held("SELECT applet_host.pool_held($1)", tenure, None).await?;
        shared.update(|ledger| ledger.recount(&held));
        self.lost_count = false;
        Ok(())
    }

    async fn take(&mut self, shared: &Arc<Shared>, tenure: &Tenure, asks: &[Ask]) -> Result<(), Broken> {
        let list: Vec<_> = asks
            .iter()
            .map(|ask| json!({ "what": ask.what.to_string(), "need": ask.need, "cap": ask.cap }))
            .collect();
        let list = serde_json::Value::from(list).to_string();
        let held = self.held("SELECT applet_host.pool_take($1, $2)", tenure, Some(list)).await?;
        let now = Instant::now();
        shared.update(|ledger| held.iter().for_each(|(what, held)| ledger.granted(what, *held, now)));
        Ok(())
    }

    async fn look(&mut self, shared: &Arc<Shared>, tenure: &Tenure) -> Result<(), Broken> {
        let answer = self.ask("SELECT applet_host.pool_look($1)", tenure.host(), None).await?;
        let wanted: Vec<Wanted> =
            serde_json::from_str(&answer.ok_or(Broken::GivenUp)?).map_err(unreadable)?;
        let now = Instant::now();
        let mut closing = Vec::new();
        for wanted in wanted {
            let what: What = wanted.what.parse().map_err(unreadable)?;
            let others: Vec<_> =
                wanted.wanting.iter().map(|&(held, wants)| Wanting { held, wants }).collect();
            closing.extend(shared.ledger().give(&what, wanted.total, &others, now));
        }
        let closing: Vec<_> = closing.into_iter().map(|idle| tokio::spawn(idle.close())).collect();
        let closed = async {
            for session in closing {
                // One that could not be closed goes on counting.
                let _closed = session.await;
            }
        };
        let _in_time = timeout(CLOSED_WITHIN, closed).await;
        Ok(())
    }

    async fn give_back(&mut self, shared: &Arc<Shared>, tenure: &Tenure) -> Result<(), Broken> {
        let releases = shared.ledger().releases();
        if releases.is_empty() {
            return Ok(());
        }
        let kept: serde_json::Map<_, _> =
            releases.iter().map(|(what, kept)| (what.to_string(), json!(kept))).collect();
        let kept = serde_json::Value::from(kept).to_string();
        self.ask("SELECT applet_host.pool_put($1, $2)::text", tenure.host(), Some(kept)).await?;
        shared.update(|ledger| releases.iter().for_each(|(what, kept)| ledger.released(what, *kept)));
        Ok(())
    }

    /// Gives everything back. Sessions that are still there are left to the others.
    async fn leave(mut self, shared: &Arc<Shared>) {
        if let Some(tenure) = shared.tenure() {
            tenure.end();
            if let Err(Broken::Silent(error)) = self.end(tenure.host()).await {
                tracing::warn!(?error, "shares of the caps could not be given back; their lease runs out");
            }
        }
        if let Some(session) = self.session.take() {
            session.close().await;
        }
        *shared.tenure.write().unwrap_or_else(PoisonError::into_inner) = None;
        shared.released.notify_waiters();
    }

    /// Ends a session whose answer was lost, so that nothing that it was asked takes effect later, unseen.
    async fn break_off(&mut self) {
        self.lost_count = true;
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }

    async fn held(
        &mut self,
        text: &str,
        tenure: &Tenure,
        list: Option<String>,
    ) -> Result<HashMap<What, usize>, Broken> {
        let answer = self.ask(text, tenure.host(), list).await?.ok_or(Broken::GivenUp)?;
        let held: HashMap<String, usize> = serde_json::from_str(&answer).map_err(unreadable)?;
        held.into_iter().map(|(what, held)| Ok((what.parse().map_err(unreadable)?, held))).collect()
    }

    /// Calls one of the functions; `None` is what they answer to a host that was given up.
    async fn ask(&mut self, text: &str, host: Uuid, list: Option<String>) -> Result<Option<String>, Broken> {
        let asked = async {
            let connected = match self.session.take().filter(Session::is_reusable) {
                Some(session) => session,
                None => Session::connect(Arc::clone(&self.target), &self.config.login, &settings()).await?,
            };
            // It stays here while it is used: what is cut off is ended by `break_off`.
            let session = self.session.insert(connected);
            let mut parameters = vec![Fit::Uuid(host.into_bytes())];
            parameters.extend(list.map(|list| Fit::Text(list.into())));
            session.ask(text, parameters, 1 << 20).await
        };
        let fetched = timeout(PATIENCE, asked)
            .await
            .map_err(|_| WireError::Lost(std::io::ErrorKind::TimedOut.into()))??;
        let row = fetched.rows.packed().next_row().ok().flatten();
        match row.as_deref() {
            Some([CellRef::Text(answer)]) => Ok(Some((*answer).to_owned())),
            Some([CellRef::Null]) => Ok(None),
            Some(_) | None => Err(unreadable(())),
        }
    }
}

fn unreadable<T>(_: T) -> Broken {
    Broken::Silent(WireError::Protocol("an answer about shares cannot be read"))
}

/// Closes what is idle when it is not known any more that others count it as ours.
fn close_if_over(shared: &Arc<Shared>) {
    if shared.tenure().is_some_and(|tenure| !tenure.holds()) {
        let idle = shared.ledger().take_idle();
        idle.into_iter().for_each(super::lease::Idle::close_aside);
    }
}

fn begin_anew(shared: &Arc<Shared>) {
    if let Some(tenure) = shared.tenure.write().unwrap_or_else(PoisonError::into_inner).take() {
        tenure.end();
    }
    let idle = shared.ledger().lose_everything();
    idle.into_iter().for_each(super::lease::Idle::close_aside);
}

fn settings() -> SessionSettings {
    let mut settings = SessionSettings::for_applets(&ExecutionLimits::default(), 8);
    settings.application = "applet-host pool".into();
    settings.read_only = false;
    settings.search_path = Some("pg_catalog, pg_temp");
    settings.statement_timeout = PATIENCE / 2;
    settings.lock_timeout = PATIENCE / 2;
    settings
}
