//! Instances that have answered and may answer again (SPEC Decision 14), of applets whose manifest asks for
//! `instances: reused`.
//!
//! *Invariant:* an instance serves one installation, and so one tenant, under one set of grants and limits and
//! in one version. It is kept only after an ordinary answer: whatever trap, timeout, panic or open transaction
//! there was, the instance went with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use applet_types::{ComponentDigest, InstallationId, Invocation};
use wasmtime::Store;

use crate::guest::Guest;
use crate::hooks::NamedHooks;

/// Instances that wait to be reused, of all installations together.
pub(crate) const KEPT: usize = 32;
/// Invocations that one instance serves.
const CALLS: u32 = 1_000;
/// How long one instance is used.
const AGE: Duration = Duration::from_secs(60);
/// How long one waits to be used again.
const IDLE: Duration = Duration::from_secs(10);
/// The most linear memory of an instance that is kept: with [`KEPT`] the bound on what waiting ones hold.
const KEPT_BYTES: usize = 16 << 20;

/// An instance between two invocations, or in one.
pub(crate) struct Instance {
    pub(crate) store: Store<Guest>,
    /// `None` until its first named hook was called.
    pub(crate) hooks: Option<NamedHooks>,
    component: ComponentDigest,
    calls: u32,
    born: Instant,
    since: Instant,
}

impl Instance {
    /// One that nothing has run in.
    pub(crate) fn new(store: Store<Guest>, component: ComponentDigest) -> Self {
        let now = Instant::now();
        Self { store, hooks: None, component, calls: 0, born: now, since: now }
    }

    /// Whether an invocation may be served by it.
    fn fits(&self, component: ComponentDigest, call: &Invocation) -> bool {
        let before = &self.store.data().call;
        self.component == component
            && before.installation == call.installation
            && before.tenant == call.tenant
            && before.workspace == call.workspace
            && before.version == call.version
            && (Arc::ptr_eq(&before.grants, &call.grants) || before.grants.digest() == call.grants.digest())
            && (Arc::ptr_eq(&before.limits, &call.limits) || before.limits == call.limits)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.calls >= CALLS || now.duration_since(self.born) >= AGE || now.duration_since(self.since) >= IDLE
    }

    /// Whether its last invocation left it as one that may be used again.
    fn is_sound(&self) -> bool {
        let guest = self.store.data();
        let limit = guest.call.limits.execution.memory_bytes;
        let taken = limit.saturating_sub(guest.space.bytes_left());
        // One that grows is given up before its memory limit fails an invocation that did nothing wrong.
        self.hooks.is_some() && guest.transactions == 0 && taken <= KEPT_BYTES.min(limit / 2)
    }
}

/// The instances that wait. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Warm {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<HashMap<InstallationId, Vec<Instance>>>,
    /// Whether somebody is going to look for those whose time is over.
    looked_after: AtomicBool,
}

impl Warm {
    /// An instance that may serve the invocation.
    pub(crate) fn take(&self, component: ComponentDigest, call: &Invocation) -> Option<Instance> {
        if !call.limits.reuse {
            return None;
        }
        let now = Instant::now();
        let (found, unfit) = {
            let mut waiting = self.shared.lock();
            let kept = waiting.get_mut(&call.installation)?;
            let usable = |instance: &Instance| !instance.is_over(now) && instance.fits(component, call);
            // The one used last is the one whose memory the processor still has at hand.
            let position = kept.iter().rposition(usable);
            let found = position.map(|position| kept.remove(position));
            // What does not fit any more never will: its grants, limits or version are those of before.
            let unfit: Vec<_> = kept.extract_if(.., |instance| !usable(instance)).collect();
            if kept.is_empty() {
                waiting.remove(&call.installation);
            }
            (found, unfit)
        };
        drop(unfit);
        found
    }

    /// Keeps an instance after an ordinary answer.
    pub(crate) fn keep(&self, mut instance: Instance) {
        let now = Instant::now();
        instance.calls += 1;
        instance.since = now;
        let call = &instance.store.data().call;
        if !call.limits.reuse || !instance.is_sound() || instance.is_over(now) {
            return;
        }
        let installation = call.installation;
        let oldest = {
            let mut waiting = self.shared.lock();
            let full = waiting.values().map(Vec::len).sum::<usize>() >= KEPT;
            let oldest = if full { remove_oldest(&mut waiting) } else { None };
            waiting.entry(installation).or_default().push(instance);
            oldest
        };
        drop(oldest);
        self.look_after();
    }

    /// Has those whose time is over dropped, as long as there are any.
    fn look_after(&self) {
        if self.shared.looked_after.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(IDLE).await;
                let Some(shared) = shared.upgrade() else { return };
                let mut over = Vec::new();
                let mut waiting = shared.lock();
                let now = Instant::now();
                waiting.retain(|_, kept| {
                    over.extend(kept.extract_if(.., |instance| instance.is_over(now)));
                    !kept.is_empty()
                });
                if waiting.is_empty() {
                    // Under the lock, so that one who keeps an instance now sees that nobody looks.
                    shared.looked_after.store(false, Ordering::Relaxed);
                    return;
                }
            }
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<InstallationId, Vec<Instance>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_oldest(waiting: &mut HashMap<InstallationId, Vec<Instance>>) -> Option<Instance> {
    let of = |kept: &Vec<Instance>| kept.iter().map(|instance| instance.since).min();
    let (installation, _) = waiting
        .iter()
        .filter_map(|(installation, kept)| of(kept).map(|since| (*installation, since)))
        .min_by_key(|(_, since)| *since)?;
    let kept = waiting.get_mut(&installation)?;
    let position =
        (0..kept.len()).min_by_key(|position| kept.get(*position).map(|instance| instance.since))?;
    let oldest = kept.remove(position);
    if kept.is_empty() {
        waiting.remove(&installation);
    }
    Some(oldest)
}
