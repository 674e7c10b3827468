//! Who has used how much CPU lately, applet by applet: whoever used more than its part goes on in the
//! [back room](crate::back_room), behind whoever used less.
//!
//! A quarter of the machine's CPU is divided among the applets that use any, and each has its part of it in
//! front whatever the others do. What goes beyond is not refused, only put where it keeps nobody else from the
//! threads that answer calls. With half of it, eight applets that never rest kept the threads in front busy
//! enough to make a ninth ten times slower; with a quarter they do not (BENCHMARKS).
//!
//! An applet that is the only one stays in front, for the way to the back room and back costs what a call of
//! nothing costs; but never on all threads at once, so that whoever comes finds one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use applet_types::AppletId;

/// The part of the machine that is divided: one in so many.
const FRONT: u64 = 4;
/// What an applet may use at once before it counts as a heavy user: half a tick, which an ordinary call does
/// not come near, and which one that loops is past when its first tick ends.
const BURST: Duration = Duration::from_millis(5);
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
    house: Arc<House>,
}

/// What all applets have in common.
struct House {
    /// Nanoseconds per second that are forgiven each of them.
    rate: AtomicU64,
    /// Nobody but one applet has used CPU lately, or has a call that runs.
    alone: AtomicBool,
    /// Polls in front of that one although it is over.
    staying: AtomicUsize,
    /// How many those may be.
    room: usize,
}

struct Inner {
    tallies: HashMap<AppletId, Arc<Tally>>,
    counted: Instant,
}

/// One applet's.
pub(crate) struct Tally {
    house: Arc<House>,
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
        let house = House {
            rate: AtomicU64::new(cores * CORE / FRONT),
            alone: AtomicBool::new(true),
            staying: AtomicUsize::new(0),
            room: self::cores().saturating_sub(1).max(1),
        };
        let inner = Inner { tallies: HashMap::new(), counted: Instant::now() };
        Self { cores, inner: Mutex::new(inner), house: Arc::new(house) }
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
            self.house.rate.store(self.cores * CORE / FRONT / users, Ordering::Relaxed);
            self.house.alone.store(inner.tallies.len() <= 1, Ordering::Relaxed);
        }
        if let Some(tally) = inner.tallies.get(applet) {
            return Arc::clone(tally);
        }
        if !inner.tallies.is_empty() {
            self.house.alone.store(false, Ordering::Relaxed);
        }
        let state = State { level: Duration::ZERO, at: now };
        let tally = Arc::new(Tally { house: Arc::clone(&self.house), state: Mutex::new(state) });
        inner.tallies.insert(applet.clone(), Arc::clone(&tally));
        tally
    }
}

/// A poll in front of an applet that is over and alone.
pub(crate) struct Staying(Arc<House>);

impl Drop for Staying {
    fn drop(&mut self) {
        self.0.staying.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tally {
    /// Whether the applet has used more than its part.
    pub(crate) fn is_over(&self) -> bool {
        self.settle(Instant::now()).level > BURST
    }

    /// Lets an applet that is over go on in front all the same, while there is no other and another thread is
    /// left for one that comes.
    pub(crate) fn stay(&self) -> Option<Staying> {
        if !self.house.alone.load(Ordering::Relaxed) {
            return None;
        }
        let staying = Staying(Arc::clone(&self.house));
        let before = staying.0.staying.fetch_add(1, Ordering::Relaxed);
        (before < staying.0.room).then_some(staying)
    }

    /// How long until that is forgiven, if the applet uses nothing meanwhile.
    pub(crate) fn over_for(&self) -> Duration {
        let beyond = self.settle(Instant::now()).level.saturating_sub(BURST);
        let rate = u32::try_from(self.house.rate.load(Ordering::Relaxed) / 1_000).unwrap_or(u32::MAX);
        beyond * 1_000_000 / rate.max(1)
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
        let rate = u32::try_from(self.house.rate.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
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
    fn g09_an_applet_alone_may_stay_and_leaves_a_thread_for_whoever_comes() {
        let tallies = Tallies::new();
        let tally = tallies.of(&applet("heavy"));
        let staying: Vec<_> = std::iter::from_fn(|| tally.stay()).take(1_000).collect();
        assert_eq!(staying.len(), cores().saturating_sub(1).max(1));
        drop(staying);
        assert!(tally.stay().is_some());
        let light = tallies.of(&applet("light"));
        assert!(tally.stay().is_none() && light.stay().is_none(), "there are two");
        drop(light);
        tallies.inner.lock().unwrap().counted -= RECOUNT;
        drop(tallies.of(&applet("heavy")));
        assert!(tally.stay().is_some(), "alone again");
    }

    #[test]
    fn g09_the_more_use_cpu_the_less_each_may() {
        let tallies = Tallies::new();
        let alone = tallies.house.rate.load(Ordering::Relaxed);
        for number in 0..8 {
            tallies.of(&applet(&format!("applet-{number}"))).charge(Duration::from_millis(100));
        }
        tallies.inner.lock().unwrap().counted -= RECOUNT;
        tallies.of(&applet("another"));
        assert_eq!(tallies.house.rate.load(Ordering::Relaxed), alone / 8);
    }
}
