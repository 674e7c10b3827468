//! Who has used how much CPU lately, applet by applet: whoever used more than its part goes on in the
//! [back room](crate::back_room), behind whoever used less.
//!
//! Half of the machine's CPU is divided among the applets that use any. What goes beyond is not refused,
//! only put where it keeps nobody else from the threads that answer calls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use applet_types::AppletId;

/// What an applet may use at once before it counts as a heavy user: two ticks.
const BURST: Duration = Duration::from_millis(20);
/// What is held against an applet at most, so that it is forgotten soon after it stopped.
const MOST: Duration = Duration::from_millis(200);
/// How long an applet counts as a user of CPU.
const ACTIVE: Duration = Duration::from_secs(1);
/// How often users are counted.
const RECOUNT: Duration = Duration::from_millis(100);

/// Nanoseconds of CPU per second.
const CORE: u64 = 1_000_000_000;

/// The tallies of all applets.
pub(crate) struct Tallies {
    cores: u64,
    inner: Mutex<Inner>,
    rate: Arc<AtomicU64>,
}

struct Inner {
    tallies: HashMap<AppletId, Arc<Tally>>,
    counted: Instant,
}

/// One applet's.
pub(crate) struct Tally {
    /// Nanoseconds per second that are forgiven.
    rate: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    level: Duration,
    at: Instant,
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

impl Tallies {
    pub(crate) fn new() -> Self {
        let cores = u64::try_from(cores()).unwrap_or(1);
        let rate = Arc::new(AtomicU64::new(cores * CORE / 2));
        Self { cores, inner: Mutex::new(Inner { tallies: HashMap::new(), counted: Instant::now() }), rate }
    }

    pub(crate) fn of(&self, applet: &AppletId) -> Arc<Tally> {
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(inner.counted) >= RECOUNT {
            inner.counted = now;
            // One in use is held by its calls.
            inner.tallies.retain(|_, tally| Arc::strong_count(tally) > 1 || tally.is_active(now));
            let users = inner.tallies.values().filter(|tally| tally.is_active(now)).count();
            let users = u64::try_from(users).unwrap_or(u64::MAX).max(1);
            self.rate.store(self.cores * CORE / 2 / users, Ordering::Relaxed);
        }
        let tally = inner.tallies.entry(applet.clone()).or_insert_with(|| {
            let state = State { level: Duration::ZERO, at: now };
            Arc::new(Tally { rate: Arc::clone(&self.rate), state: Mutex::new(state) })
        });
        Arc::clone(tally)
    }
}

impl Tally {
    /// Whether the applet has used more than its part.
    pub(crate) fn is_over(&self) -> bool {
        self.settle(Instant::now()).level > BURST
    }

    /// So much was used.
    pub(crate) fn charge(&self, used: Duration) {
        let mut state = self.settle(Instant::now());
        state.level = (state.level + used).min(MOST);
    }

    fn is_active(&self, now: Instant) -> bool {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        now.duration_since(state.at) < ACTIVE && state.level > Duration::ZERO
    }

    fn settle(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.at).min(MOST * 100);
        let rate = u32::try_from(self.rate.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let forgiven = passed * (rate / 1_000) / 1_000_000;
        state.level = state.level.saturating_sub(forgiven);
        state.at = now;
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applet(name: &str) -> AppletId {
        name.parse().unwrap()
    }

    #[test]
    fn g09_a_heavy_user_is_known_and_a_light_one_is_not() {
        let tallies = Tallies::new();
        let (heavy, light) = (tallies.of(&applet("heavy")), tallies.of(&applet("light")));
        heavy.charge(Duration::from_millis(150));
        light.charge(Duration::from_millis(1));
        assert!(heavy.is_over() && !light.is_over());
    }

    #[test]
    fn g09_what_was_used_is_forgiven_in_time() {
        let tally = Tallies::new().of(&applet("heavy"));
        tally.charge(Duration::from_secs(3_600));
        assert!(tally.is_over());
        tally.state.lock().unwrap().at -= Duration::from_secs(10);
        assert!(!tally.is_over(), "an hour is not held against it for an hour");
    }

    #[test]
    fn g09_the_more_use_cpu_the_less_each_may() {
        let tallies = Tallies::new();
        let alone = tallies.rate.load(Ordering::Relaxed);
        for number in 0..8 {
            tallies.of(&applet(&format!("applet-{number}"))).charge(Duration::from_millis(100));
        }
        tallies.inner.lock().unwrap().counted -= RECOUNT;
        tallies.of(&applet("another"));
        assert_eq!(tallies.rate.load(Ordering::Relaxed), alone / 8);
    }
}
