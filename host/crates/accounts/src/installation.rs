//! What one installation has used: its rates, its circuit, and its numbers for `applet top`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use applet_types::{Account, ErrorCode, Failure, Gauge, HookError, Invocation, RateLimits, Resource};

use crate::breaker::{Breaker, Change, Pass, State};
use crate::bucket::{Bucket, Moment, Rate};
use crate::ending::Ending;
use crate::ledger::Rules;
use crate::reading::{CircuitReading, CircuitState, Counters, InstallationReading, Tokens, Whose};
use crate::tenant::{TenantAccount, whole_ms};

/// How long an account is kept after its last invocation: a minute shows in `applet top` what there was.
const KEPT: u64 = 60 * 1_000_000_000;
/// How long failures and an open circuit are remembered of an applet that nobody calls.
const HELD_AGAINST: u64 = 3_600 * 1_000_000_000;

#[derive(Debug)]
pub(crate) struct InstallationAccount {
    whose: Whose,
    rules: Arc<Rules>,
    tenant: Arc<TenantAccount>,
    invocations: Bucket,
    queries: Bucket,
    writes: Bucket,
    rows: Bucket,
    /// One installation's own invocations meet here, for the length of a few additions.
    circuit: Mutex<Circuit>,
    counters: Counters,
    in_flight: AtomicU64,
    sessions_in_use: AtomicU64,
    sessions_waiting: AtomicU64,
    last_used: AtomicU64,
}

#[derive(Debug, Default)]
struct Circuit {
    breaker: Breaker,
    /// What the last invocation was held to.
    rate: RateLimits,
}

impl InstallationAccount {
    pub(crate) fn new(whose: Whose, rules: Arc<Rules>, tenant: Arc<TenantAccount>) -> Self {
        Self {
            whose,
            rules,
            tenant,
            invocations: Bucket::default(),
            queries: Bucket::default(),
            writes: Bucket::default(),
            rows: Bucket::default(),
            circuit: Mutex::default(),
            counters: Counters::default(),
            in_flight: AtomicU64::default(),
            sessions_in_use: AtomicU64::default(),
            sessions_waiting: AtomicU64::default(),
            last_used: AtomicU64::default(),
        }
    }

    /// Lets an invocation in, or says why not and when to come again. One that is refused for its rate has
    /// taken no token; one that is refused otherwise has.
    pub(crate) fn admit(self: Arc<Self>, call: &Invocation, now: Moment) -> Result<Admitted, Failure> {
        let rate = &call.limits.rate;
        self.last_used.store(now, Ordering::Relaxed);
        let per_second = Rate::per_second(rate.invocations_per_second);
        let admitted = self
            .invocations
            .take(1, per_second, now)
            .map_err(|wait| {
                too_fast(
                    rate.invocations_per_second,
                    "invocations per second",
                    "invocations_per_second",
                    wait,
                )
            })
            .and_then(|()| self.tenant.solvent(&self.rules.tenant, now))
            .and_then(|()| self.enter(rate, now));
        match admitted {
            Ok(pass) => {
                add(&self.counters.invocations, 1);
                add(&self.in_flight, 1);
                Ok(Admitted { account: self, pass: Some(pass) })
            }
            Err(failure) => {
                add(&self.counters.refused, 1);
                Err(failure)
            }
        }
    }

    fn enter(&self, rate: &RateLimits, now: Moment) -> Result<Pass, Failure> {
        let mut circuit = self.circuit();
        circuit.rate = rate.clone();
        circuit.breaker.enter(now).map_err(|wait| {
            let message = "the applet has failed too often lately and is left alone for a while";
            Failure::new(ErrorCode::CircuitOpen, message)
                .hint("the first call after that tries it again; the operator can change `limits.breaker`")
                .retry_after_ms(whole_ms(wait))
        })
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // A panic in between leaves a count that is off by one, and nothing else.
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether forgetting it changes nothing.
    pub(crate) fn is_at_rest(&self, now: Moment) -> bool {
        let quiet = now.saturating_sub(self.last_used.load(Ordering::Relaxed));
        let full = [&self.invocations, &self.queries, &self.writes, &self.rows];
        if quiet < KEPT || !full.iter().all(|bucket| bucket.is_full(now)) {
            return false;
        }
        let breaker = &self.circuit().breaker;
        let blameless = breaker.state() == State::Closed && breaker.within(&self.rules.breaker, now).0 == 0;
        blameless || quiet >= HELD_AGAINST
    }

    pub(crate) fn reading(&self, now: Moment) -> InstallationReading {
        let (state, failures, rate) = {
            let circuit = self.circuit();
            let failures = circuit.breaker.within(&self.rules.breaker, now).0;
            (circuit.breaker.state(), failures, circuit.rate.clone())
        };
        let (state, retry_after_ms) = match state {
            State::Closed => (CircuitState::Closed, None),
            State::Open(until) if until > now => {
                (CircuitState::Open, Some(whole_ms(Duration::from_nanos(until - now))))
            }
            State::Open(_) | State::Trying => (CircuitState::HalfOpen, None),
        };
        InstallationReading {
            whose: self.whose.clone(),
            counts: self.counters.read(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            sessions_in_use: self.sessions_in_use.load(Ordering::Relaxed),
            sessions_waiting: self.sessions_waiting.load(Ordering::Relaxed),
            circuit: CircuitReading { state, failures, retry_after_ms },
            tokens: Tokens {
                invocations: self.invocations.left(Rate::per_second(rate.invocations_per_second), now),
                queries: self.queries.left(Rate::per_minute(rate.queries_per_minute), now),
                writes: self.writes.left(Rate::per_second(rate.writes_per_second), now),
                rows: self.rows.left(Rate::per_minute(rate.rows_per_minute), now),
            },
        }
    }
}

impl Account for InstallationAccount {
    /// A statement that the gate then refuses has cost its token: a flood of those costs CPU like any other.
    fn statement(&self, rate: &RateLimits, now: Instant) -> Result<(), Failure> {
        let now = self.rules.moment(now);
        let per_minute = Rate::per_minute(rate.rows_per_minute);
        let admitted = self.tenant.solvent(&self.rules.tenant, now).and_then(|()| {
            if let Some(wait) = self.rows.owed(per_minute, now) {
                return Err(too_fast(rate.rows_per_minute, "rows per minute", "rows_per_minute", wait));
            }
            let per_minute = Rate::per_minute(rate.queries_per_minute);
            self.queries.take(1, per_minute, now).map_err(|wait| {
                too_fast(rate.queries_per_minute, "statements per minute", "queries_per_minute", wait)
            })
        });
        if admitted.is_ok() {
            add(&self.counters.statements, 1);
            self.tenant.charge(Resource::Statements, 1, &self.rules.tenant, now);
        } else {
            add(&self.counters.refused_statements, 1);
        }
        admitted
    }

    fn write(&self, rate: &RateLimits, now: Instant) -> Result<(), Failure> {
        let per_second = Rate::per_second(rate.writes_per_second);
        self.writes.take(1, per_second, self.rules.moment(now)).map_err(|wait| {
            add(&self.counters.refused_statements, 1);
            too_fast(rate.writes_per_second, "writing statements per second", "writes_per_second", wait)
        })
    }

    fn charge(&self, resource: Resource, amount: u64, rate: &RateLimits, now: Instant) {
        let now = self.rules.moment(now);
        add(self.counters.of(resource), amount);
        if resource == Resource::Rows {
            self.rows.charge(amount, Rate::per_minute(rate.rows_per_minute), now);
        }
        self.tenant.charge(resource, amount, &self.rules.tenant, now);
    }

    fn gauge(&self, gauge: Gauge, more: bool) {
        let gauge = match gauge {
            Gauge::SessionsInUse => &self.sessions_in_use,
            Gauge::SessionsWaiting => &self.sessions_waiting,
        };
        if more {
            add(gauge, 1);
        } else {
            gauge.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn too_fast(most: u64, what: &str, limit: &str, wait: Duration) -> Failure {
    let message = format!("the applet has had its {most} {what} in this workspace");
    let hint =
        format!("wait, or have `limits.rate.{limit}` raised by the operator and the applet approved anew");
    Failure::new(ErrorCode::RateLimited, message).hint(hint).retry_after_ms(whole_ms(wait))
}

/// An invocation that was let in. It counts as running until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    account: Arc<InstallationAccount>,
    /// Gone once the circuit knows how it ended.
    pass: Option<Pass>,
}

impl Admitted {
    /// What the invocation's budget is charged to.
    pub fn account(&self) -> Arc<dyn Account> {
        Arc::clone(&self.account) as Arc<dyn Account>
    }

    /// The invocation is over. Answers what that made of the circuit, if anything. One that is dropped
    /// instead says nothing of the applet.
    pub fn ended(
        mut self,
        outcome: &Result<String, HookError>,
        turned_away: bool,
        now: Instant,
    ) -> Option<Change> {
        let (ending, pass) = (Ending::of(outcome, turned_away), self.pass.take()?);
        let account = &self.account;
        if ending == Ending::Failed {
            add(&account.counters.failed, 1);
        }
        if matches!(outcome, Err(HookError::Host(failure)) if failure.code == ErrorCode::ConnectionCap) {
            add(&account.counters.refused, 1);
        }
        let now = account.rules.moment(now);
        account.circuit().breaker.ended(pass, ending, &account.rules.breaker, now)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.account.circuit().breaker.withdraw(pass);
        }
        self.account.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
