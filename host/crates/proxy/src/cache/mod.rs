//! The read cache (SPEC S4.62-66, Decision 8): answers in memory, and in Redis where there is one.
//!
//! *Invariants:*
//!
//! - No answer crosses tenants, applets or grants: they are part of the key ([`key`]), and in Redis the
//!   answer is sealed to its key ([`envelope`]).
//! - Once a write of an applet has returned, nobody on any host is served an answer from before it. Every
//!   answer carries the stamps that its tables had *before* its query ran, and is served only if they are
//!   all current. A writer marks its tables before the commit and gives them new stamps after it
//!   ([`shared`]). One that cannot tell the others says so through the database, and nobody serves anything
//!   cached until it can ([`watch`]).
//! - Whatever is wrong with the cache is a miss: it costs speed, never an invocation.
//!
//! What others write (the platform's own code, triggers, psql) becomes visible within the ttl. The cache is
//! never used inside a transaction, nor for statements whose result changes by itself.
//!
//! Start reading at [`QueryCache`].

mod breaker;
mod counters;
mod envelope;
mod flight;
mod key;
mod ledger;
mod link;
mod memory;
mod servers;
mod shared;
mod through;
mod watch;
mod write;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use applet_types::{CacheLimits, HostLimits, Invocation, Login, Outcome, SqlName};
use serde::Serialize;
use tokio::time::timeout;

pub use counters::CacheCounts;
use key::Asked;
pub use servers::{InvalidRedisUrl, RedisServers};
pub(crate) use through::settle;
pub(crate) use write::Marked;

use crate::wire::Target;
use counters::Counters;
use envelope::{Binding, Sealer, Unusable};
use flight::{Flights, Lead, Part, Stage};
use key::{Digest, Secrets, Stamp};
use ledger::{Ledger, Owner, Share};
use link::Link;
use memory::{Kept, Memory, Stamps};
use shared::{Found, Shared, Tables};
use watch::{Epoch, Sharing, Watch};

/// The longest that an answer is served, whatever a manifest asks for.
const LONGEST: Duration = Duration::from_secs(30);
/// How often a question joins a query that is under way before it goes to the database itself.
const ROUNDS: usize = 3;

/// What a cache is made of.
#[derive(Clone)]
pub struct CacheConfig {
    /// The database whose answers are kept.
    pub target: Target,
    /// The login of the watch: `applet_host.cache_epoch` and `applet_host.cache_writers`.
    pub login: Login,
    /// The secret of the database that keys and values are bound to. All hosts of a database have the same.
    pub secret: [u8; 32],
    /// Where Redis is. Without, answers are kept in memory.
    pub redis: Option<RedisServers>,
    /// How much is kept.
    pub limits: HostLimits,
    /// Whether applets are going to write for a while. Then a host that caches in memory says so at once;
    /// any other says so before its first write, which waits for that.
    pub writes: bool,
}

/// The cache of one host. Cheap to clone.
#[derive(Clone)]
pub struct QueryCache {
    inner: Arc<Inner>,
}

struct Inner {
    secrets: Secrets,
    sealer: Sealer,
    watch: Arc<Watch>,
    memory: Memory,
    stamps: Stamps,
    shared: Option<Shared>,
    ledger: Mutex<Ledger>,
    flights: Flights,
    counters: Arc<Counters>,
    limits: HostLimits,
    returning: std::sync::atomic::AtomicBool,
}

/// What the cache is and has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheStatus {
    /// Where answers are kept: `memory` or `redis`.
    pub kind: &'static str,
    /// Whether Redis answers; `None` without one.
    pub redis_is_up: Option<bool>,
    /// Answers that this host keeps at the moment.
    pub entries: usize,
    /// Their bytes.
    pub bytes: usize,
    /// What was counted since the host was started.
    pub counts: CacheCounts,
}

/// What the cache says to a question.
pub(crate) enum Lookup {
    /// The answer.
    Hit(Outcome),
    /// There is none. The database's is to be kept.
    Miss(Box<Slot>),
    /// There is none, and the database's is not to be kept.
    Pass,
}

/// A place for an answer that the database is asked for. Dropped, it lets whoever waits for the answer go on.
pub(crate) struct Slot {
    inner: Arc<Inner>,
    lead: Lead,
    digest: Digest,
    owner: Owner,
    policy: CacheLimits,
    epoch: Epoch,
    tables: Vec<SqlName>,
    stamps: Vec<Stamp>,
    /// When the stamps were read, by both clocks.
    asked: (Instant, SystemTime),
}

enum State {
    Hit(Outcome),
    Stamps(Vec<Stamp>),
    Unknown,
}

impl QueryCache {
    /// Starts a cache. Must be called inside a tokio runtime. A Redis that cannot be reached is no error.
    pub fn start(config: CacheConfig) -> Self {
        let secrets = Secrets::derive(&config.secret);
        let counters = Arc::new(Counters::default());
        let sharing = if config.redis.is_some() { Sharing::Redis } else { Sharing::Nobody };
        let watch = Arc::new(Watch::new(config.target, config.login, sharing));
        if sharing == Sharing::Nobody && config.writes {
            watch.keep_announced();
        }
        let shared = config.redis.map(|servers| {
            let link = Link::open(servers, Arc::clone(&counters));
            Shared { link, secrets: secrets.clone() }
        });
        let inner = Inner {
            sealer: Sealer::new(&secrets.values),
            secrets,
            watch,
            memory: Memory::new(config.limits.cache_bytes, LONGEST),
            stamps: Stamps::default(),
            shared,
            ledger: Mutex::default(),
            flights: Flights::default(),
            counters,
            limits: config.limits,
            returning: std::sync::atomic::AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What it is and has done.
    pub fn status(&self) -> CacheStatus {
        let inner = &self.inner;
        let (entries, bytes) = inner.ledger().totals(Instant::now());
        CacheStatus {
            kind: if inner.shared.is_some() { "redis" } else { "memory" },
            redis_is_up: inner.shared.as_ref().map(|shared| shared.link.is_up()),
            entries,
            bytes,
            counts: inner.counters.snapshot(),
        }
    }

    /// Leaves behind everything that any host on this database has cached. Says whether that could be done.
    pub async fn clear(&self) -> bool {
        self.inner.memory.clear();
        self.inner.ledger().clear();
        self.inner.watch.move_on().await
    }

    /// Lets go of Redis and the database. Writes are over by now.
    pub async fn close(&self) {
        tracing::info!(counts = ?self.inner.counters.snapshot(), "the read cache is closed");
        if let Some(shared) = &self.inner.shared {
            shared.link.close();
        }
        self.inner.watch.close().await;
    }

    /// Looks for the answer to a question about these tables.
    pub(crate) async fn lookup(
        &self,
        asked: &Asked<'_>,
        tables: Vec<SqlName>,
        policy: CacheLimits,
    ) -> Lookup {
        let inner = &self.inner;
        let digest = inner.secrets.digest(asked);
        let owner = Owner { tenant: asked.call.tenant, installation: asked.call.installation };
        let question = Question { digest, owner, policy, tables: &tables };
        for _ in 0..ROUNDS {
            let Some(epoch) = inner.watch.epoch().await else { break };
            let now = (Instant::now(), SystemTime::now());
            let stamps = match inner.state(&question, epoch).await {
                State::Hit(outcome) => return Lookup::Hit(outcome),
                State::Stamps(stamps) => stamps,
                State::Unknown => break,
            };
            match inner.flights.join(digest) {
                Part::Lead(lead) => {
                    // Somebody may have landed between our look and our start.
                    if let Some(outcome) = inner.remembered(&digest, epoch, &stamps) {
                        lead.land();
                        return Lookup::Hit(outcome);
                    }
                    Counters::add(&inner.counters.misses);
                    let inner = Arc::clone(inner);
                    let slot = Slot { inner, lead, digest, owner, policy, epoch, tables, stamps, asked: now };
                    return Lookup::Miss(Box::new(slot));
                }
                Part::Follow(follow) => {
                    Counters::add(&inner.counters.followed);
                    if !goes_on(asked.call, follow.end()).await {
                        break;
                    }
                }
            }
        }
        Counters::add(&inner.counters.passed);
        Lookup::Pass
    }
}

/// Waits for the end of a flight. Says whether it is worth looking again.
async fn goes_on(call: &Invocation, end: impl Future<Output = Stage>) -> bool {
    let left = call.deadline.saturating_duration_since(Instant::now());
    matches!(timeout(left, end).await, Ok(Stage::Landed | Stage::Lost))
}

/// A question, once its key is known.
#[derive(Clone, Copy)]
struct Question<'a> {
    digest: Digest,
    owner: Owner,
    policy: CacheLimits,
    tables: &'a [SqlName],
}

impl Question<'_> {
    fn ttl(&self) -> Duration {
        Duration::from_secs(self.policy.ttl_s).min(LONGEST)
    }
}

impl Inner {
    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer in memory, if it was read in this very state.
    fn remembered(&self, digest: &Digest, epoch: Epoch, stamps: &[Stamp]) -> Option<Outcome> {
        let kept = self.memory.get(digest)?;
        let holds = kept.holds(epoch, stamps, Instant::now());
        holds.then(|| {
            Counters::add(&self.counters.memory_hits);
            kept.outcome.clone()
        })
    }

    async fn state(&self, question: &Question<'_>, epoch: Epoch) -> State {
        match &self.shared {
            None => {
                let stamps = self.stamps.of(question.owner.tenant, question.tables);
                self.remembered(&question.digest, epoch, &stamps).map_or(State::Stamps(stamps), State::Hit)
            }
            Some(shared) => self.shared_state(shared, question, epoch).await,
        }
    }

    async fn shared_state(&self, shared: &Shared, question: &Question<'_>, epoch: Epoch) -> State {
        let tables = Tables { tenant: question.owner.tenant, names: question.tables };
        let digest = &question.digest;
        if self.memory.get(digest).is_some_and(|kept| kept.epoch == epoch) {
            match shared.find(tables, None).await {
                Ok(Found::Stamps(stamps, _)) => {
                    if let Some(outcome) = self.remembered(digest, epoch, &stamps) {
                        return State::Hit(outcome);
                    }
                    self.memory.remove(digest);
                }
                Ok(Found::NoStamps) => {}
                Ok(Found::Pending) | Err(_) => return State::Unknown,
            }
        }
        match shared.find(tables, Some(digest)).await {
            Ok(Found::Stamps(stamps, Some(envelope))) => {
                self.opened(shared, question, epoch, stamps, &envelope).await
            }
            Ok(Found::Stamps(stamps, None)) => State::Stamps(stamps),
            Ok(Found::NoStamps) => match shared.make_stamps(tables).await {
                Ok(Found::Stamps(stamps, _)) => State::Stamps(stamps),
                Ok(Found::Pending | Found::NoStamps) | Err(_) => State::Unknown,
            },
            Ok(Found::Pending) | Err(_) => State::Unknown,
        }
    }

    async fn opened(
        &self,
        shared: &Shared,
        question: &Question<'_>,
        epoch: Epoch,
        stamps: Vec<Stamp>,
        envelope: &[u8],
    ) -> State {
        let binding = Binding { digest: &question.digest, epoch, stamps: &stamps };
        let now = Instant::now();
        match self.sealer.open(&binding, envelope, SystemTime::now(), question.ttl()) {
            Ok((outcome, left)) => {
                Counters::add(&self.counters.redis_hits);
                if self.admit(question, &outcome, now, now + left) {
                    let kept = Kept { outcome: outcome.clone(), epoch, stamps, until: now + left };
                    self.memory.insert(question.digest, kept);
                }
                State::Hit(outcome)
            }
            Err(Unusable::Forged) => {
                tracing::error!(tenant = %question.owner.tenant, "a value in redis is not what it says");
                Counters::add(&self.counters.forged);
                shared.remove(question.owner.tenant, &question.digest).await;
                State::Stamps(stamps)
            }
            Err(Unusable::Stale) => {
                Counters::add(&self.counters.stale);
                State::Stamps(stamps)
            }
            Err(Unusable::Expired) => State::Stamps(stamps),
        }
    }

    /// Whether the owner's share has room for this answer.
    fn admit(&self, question: &Question<'_>, outcome: &Outcome, now: Instant, until: Instant) -> bool {
        let share = Share { entries: question.policy.entries, tenant_bytes: self.limits.cache_tenant_bytes };
        let bytes = memory::size(outcome);
        bytes <= self.limits.cache_value_bytes
            && self.ledger().admit(question.digest, question.owner, bytes, share, now, until)
    }
}

impl Slot {
    /// Keeps the database's answer.
    pub(crate) async fn keep(self, outcome: &Outcome) {
        let Self { inner, lead, digest, owner, policy, epoch, tables, stamps, asked } = self;
        let question = Question { digest, owner, policy, tables: &tables };
        let (ttl, now) = (question.ttl(), Instant::now());
        let until = asked.0 + ttl;
        if now >= until || !inner.admit(&question, outcome, now, until) {
            Counters::add(&inner.counters.refused);
            lead.decline();
            return;
        }
        Counters::add(&inner.counters.stored);
        if let Some(shared) = &inner.shared {
            let binding = Binding { digest: &digest, epoch, stamps: &stamps };
            let sealed = inner.sealer.seal(&binding, outcome, asked.1 + ttl, rand::random());
            if let Some(envelope) = sealed {
                // If it does not get there, this host has it all the same.
                let _ = shared.store(owner.tenant, &digest, &envelope, until - now).await;
            }
        }
        inner.memory.insert(digest, Kept { outcome: outcome.clone(), epoch, stamps, until });
        lead.land();
    }
}
