//! What hosts tell each other through the database: which epoch it is, and who writes in silence.
//!
//! A host that cannot tell the others of its writes (it caches in memory, or its Redis does not answer)
//! announces that first: it moves the epoch on and puts down a row with a lease. A host serves nothing
//! cached unless it has looked within the last [`LOOK`], and nothing while another one is announced. Who
//! announces waits for [`LOOK`] before its first write, so that by then nobody relies on an older look.
//!
//! *Invariant:* no write of an announced host returns while somebody serves an answer from before it.
//!
//! This is what SPEC Decision 8 has LISTEN/NOTIFY for. A notification arrives some time after the commit has
//! returned, and a host cannot know that its listening connection still hears; a look answers both.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use applet_types::{CellRef, ExecutionLimits, Login, RowSet};
use tokio::time::{sleep, sleep_until, timeout};
use uuid::Uuid;

use crate::values::Fit;
use crate::wire::{Fetched, Session, SessionSettings, Target, WireError};

/// How long a look at the database is relied on.
const LOOK: Duration = Duration::from_millis(100);
/// How long a reader waits for a look before it goes to the database, which is slow then as well.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long after it was sent the host itself relies on it. A commit that starts then is over, or given up,
/// while the lease still holds.
const RELIED_ON: Duration = Duration::from_secs(5);
/// How often a standing announcement is extended.
const EXTENDED_EVERY: Duration = Duration::from_secs(3);
/// How long an announcement may take: less than a transaction may sit idle. A write does not fail because it
/// cannot be announced.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(1);
/// How long nobody asks a database that could not be asked.
const PAUSE: Duration = Duration::from_millis(200);

const LOOK_AT: &str = "\
SELECT epoch, (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint, \
EXISTS (SELECT FROM applet_host.cache_writers WHERE until_at > clock_timestamp() AND host <> $1) \
FROM applet_host.cache_epoch";
const EXTEND: &str = concat!(
    "UPDATE applet_host.cache_writers SET until_at = clock_timestamp() + interval '12 seconds' ",
    "WHERE host = $1 AND until_at > clock_timestamp()"
);
const JOIN: &str = "\
WITH gone AS (DELETE FROM applet_host.cache_writers WHERE until_at < clock_timestamp() AND host <> $1), \
moved AS (UPDATE applet_host.cache_epoch SET epoch = epoch + 1) \
INSERT INTO applet_host.cache_writers (host, until_at) VALUES ($1, clock_timestamp() + interval '12 seconds') \
ON CONFLICT (host) DO UPDATE SET until_at = excluded.until_at";
const MOVE_ON: &str = "UPDATE applet_host.cache_epoch SET epoch = epoch + 1 WHERE $1::uuid IS NOT NULL";
const LEAVE: &str = "DELETE FROM applet_host.cache_writers WHERE host = $1";

/// What everything cached belongs to. Another epoch, or a restarted server, leaves all of it behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Epoch {
    pub(super) number: i64,
    /// When the server was started: a restored or promoted one may have lost what was cached.
    pub(super) started: i64,
    /// Tells memories of one process apart, before and after it lost count of its own epochs.
    pub(super) life: u64,
}

impl Epoch {
    pub(super) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let parts = [self.number.to_be_bytes(), self.started.to_be_bytes(), self.life.to_be_bytes()];
        bytes.copy_from_slice(parts.as_flattened());
        bytes
    }
}

/// How answers are shared, as far as the watch has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// With nobody: in this process's memory. Its own writes reach it without the database's help.
    Nobody,
    /// With every host on the same Redis.
    Redis,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    epoch: Epoch,
    /// Somebody writes in silence.
    silent: bool,
}

#[derive(Debug, Default)]
struct Announced {
    relied_on_until: Option<Instant>,
    effective: Option<Instant>,
    /// Silent writes under way.
    writes: usize,
    closed: bool,
}

#[derive(Default)]
struct Desk {
    session: Option<Session>,
    failed: Option<Instant>,
    /// Epochs that this host has moved on itself.
    own: i64,
    life: u64,
}

/// The watch of one host.
pub(super) struct Watch {
    target: Arc<Target>,
    login: Login,
    host: Uuid,
    sharing: Sharing,
    seen: Mutex<Option<Seen>>,
    announced: Mutex<Announced>,
    desk: tokio::sync::Mutex<Desk>,
}

/// A write of which others are not told. While it is held, the announcement stands.
pub(super) struct Silent {
    watch: Arc<Watch>,
}

impl Drop for Silent {
    fn drop(&mut self) {
        let mut announced = lock(&self.watch.announced);
        announced.writes = announced.writes.saturating_sub(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    pub(super) fn new(target: Target, login: Login, sharing: Sharing) -> Self {
        Self {
            target: Arc::new(target),
            login,
            host: Uuid::now_v7(),
            sharing,
            seen: Mutex::default(),
            announced: Mutex::default(),
            desk: tokio::sync::Mutex::default(),
        }
    }

    /// The epoch, if something cached may be served at this moment.
    pub(super) async fn epoch(self: &Arc<Self>) -> Option<Epoch> {
        if let Some(seen) = self.recent() {
            return (!seen.silent).then_some(seen.epoch);
        }
        let asked = Instant::now();
        // A look that took long is void when it is over.
        while asked.elapsed() < PATIENCE {
            let watch = Arc::clone(self);
            // On its own, so that a reader which stops waiting does not cut the exchange off.
            let looking = tokio::spawn(async move { watch.look().await });
            let seen = timeout(PATIENCE, looking).await.ok()?.ok()??;
            if seen.at.elapsed() < LOOK {
                return (!seen.silent).then_some(seen.epoch);
            }
        }
        None
    }

    fn recent(&self) -> Option<Seen> {
        lock(&self.seen).filter(|seen| seen.at.elapsed() < LOOK)
    }

    async fn look(&self) -> Option<Seen> {
        let mut desk = self.desk.lock().await;
        if let Some(seen) = self.recent() {
            return Some(seen);
        }
        // Only its own announcement leaves a host alone with its memory; with Redis it silences itself too.
        let but = match self.sharing {
            Sharing::Nobody => self.host,
            Sharing::Redis => Uuid::nil(),
        };
        let at = Instant::now();
        let fetched = self.ask(&mut desk, LOOK_AT, but).await?;
        let (number, started, silent) = read(&fetched.rows)?;
        let epoch = match self.sharing {
            Sharing::Nobody => Epoch { number: number - desk.own, started, life: desk.life },
            Sharing::Redis => Epoch { number, started, life: 0 },
        };
        let seen = Seen { at, epoch, silent };
        *lock(&self.seen) = Some(seen);
        Some(seen)
    }

    /// Says that this host writes in silence, and waits until everybody knows. `None` when that could not be
    /// said in time.
    pub(super) async fn announce(self: &Arc<Self>) -> Option<Silent> {
        loop {
            let effective = {
                let mut announced = lock(&self.announced);
                let now = Instant::now();
                match (announced.relied_on_until, announced.effective) {
                    (Some(until), Some(effective)) if now < until => {
                        announced.writes += 1;
                        Some(effective)
                    }
                    _ => None,
                }
            };
            if let Some(effective) = effective {
                let silent = Silent { watch: Arc::clone(self) };
                if Instant::now() < effective {
                    sleep_until(effective.into()).await;
                }
                return Some(silent);
            }
            let watch = Arc::clone(self);
            let joining = tokio::spawn(async move { watch.join().await });
            timeout(ANNOUNCED_WITHIN, joining).await.ok()?.ok()??;
        }
    }

    async fn join(&self) -> Option<()> {
        let mut desk = self.desk.lock().await;
        let now = Instant::now();
        let (relied_on, standing) = {
            let announced = lock(&self.announced);
            let fresh = announced.relied_on_until.is_some_and(|until| now + EXTENDED_EVERY / 2 < until);
            (fresh || announced.closed, announced.effective)
        };
        if relied_on {
            return Some(());
        }
        let extended = match standing {
            Some(effective) => {
                let fetched = self.ask(&mut desk, EXTEND, self.host).await?;
                (fetched.affected == 1).then_some(effective)
            }
            None => None,
        };
        let effective = match extended {
            Some(effective) => effective,
            None => {
                if self.ask(&mut desk, JOIN, self.host).await.is_none() {
                    // Whether the epoch has moved is unknown.
                    desk.life = rand::random();
                    *lock(&self.seen) = None;
                    return None;
                }
                desk.own += 1;
                Instant::now() + LOOK
            }
        };
        let mut announced = lock(&self.announced);
        announced.relied_on_until = Some(now + RELIED_ON);
        announced.effective = Some(effective);
        Some(())
    }

    /// Announces this host now and for as long as it lives, so that its writes never wait for that.
    pub(super) fn keep_announced(self: &Arc<Self>) {
        let watch = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(watch) = watch.upgrade().filter(|watch| !lock(&watch.announced).closed) {
                watch.join().await;
                drop(watch);
                sleep(EXTENDED_EVERY).await;
            }
        });
    }

    /// Takes the announcement back, unless a silent write is under way. Says whether none stands now.
    pub(super) async fn leave(&self) -> bool {
        let mut desk = self.desk.lock().await;
        {
            let mut announced = lock(&self.announced);
            if announced.writes > 0 {
                return false;
            }
            if announced.effective.is_none() {
                return true;
            }
            announced.relied_on_until = None;
            announced.effective = None;
        }
        // If this fails, the lease runs out.
        self.ask(&mut desk, LEAVE, self.host).await;
        true
    }

    /// Leaves everything behind that anybody has cached. Says whether that could be done.
    pub(super) async fn move_on(&self) -> bool {
        let mut desk = self.desk.lock().await;
        *lock(&self.seen) = None;
        self.ask(&mut desk, MOVE_ON, self.host).await.is_some()
    }

    /// Whether an announcement of this host stands.
    pub(super) fn is_announced(&self) -> bool {
        lock(&self.announced).relied_on_until.is_some_and(|until| Instant::now() < until)
    }

    /// Takes the announcement back and closes the session.
    pub(super) async fn close(&self) {
        lock(&self.announced).closed = true;
        self.leave().await;
        if let Some(session) = self.desk.lock().await.session.take() {
            session.close().await;
        }
    }

    async fn ask(&self, desk: &mut Desk, text: &str, host: Uuid) -> Option<Fetched> {
        if desk.failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return None;
        }
        // Taken out: a session whose exchange was cut off is not used again.
        let session = desk.session.take();
        let asked = timeout(ANNOUNCED_WITHIN, self.exchange(session, text, host)).await;
        match asked {
            Ok(Ok((session, fetched))) => {
                desk.session = Some(session);
                desk.failed = None;
                Some(fetched)
            }
            Ok(Err(error)) => {
                tracing::warn!(?error, "the watch over the cache cannot ask the database");
                desk.failed = Some(Instant::now());
                None
            }
            Err(_) => {
                desk.failed = Some(Instant::now());
                None
            }
        }
    }

    async fn exchange(
        &self,
        session: Option<Session>,
        text: &str,
        host: Uuid,
    ) -> Result<(Session, Fetched), WireError> {
        let mut session = match session {
            Some(session) if session.is_reusable() => session,
            Some(_) | None => Session::connect(Arc::clone(&self.target), &self.login, &settings()).await?,
        };
        let fetched = session.ask(text, vec![Fit::Uuid(host.into_bytes())], 1 << 10).await?;
        Ok((session, fetched))
    }
}

fn settings() -> SessionSettings {
    let mut settings = SessionSettings::for_applets(&ExecutionLimits::default(), 8);
    settings.application = "applet-host cache".into();
    settings.read_only = false;
    settings.search_path = Some("pg_catalog, pg_temp");
    settings.statement_timeout = ANNOUNCED_WITHIN;
    settings.lock_timeout = ANNOUNCED_WITHIN;
    settings
}

fn read(rows: &RowSet) -> Option<(i64, i64, bool)> {
    let row = rows.packed().next_row().ok()??;
    match row.as_slice() {
        [CellRef::Integer(epoch), CellRef::Integer(started), CellRef::Boolean(silent)] => {
            Some((*epoch, *started, *silent))
        }
        _ => None,
    }
}
