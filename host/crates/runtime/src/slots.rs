//! How many instances may run at once, of one applet and of all.
//!
//! The applet's own cap is asked first: who waits for it holds nothing that others want. Waiting is bounded
//! in time and in number, so that a flooded applet says no early instead of piling up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use applet_types::{AppletId, ErrorCode, Failure};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::limits::RuntimeLimits;

/// Applets remembered before those without a call are forgotten.
const REMEMBERED: usize = 1_024;

/// The right to run one instance. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Slot {
    _applet: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

pub(crate) struct Slots {
    limits: RuntimeLimits,
    host: Arc<Semaphore>,
    lanes: Mutex<HashMap<AppletId, Arc<Lane>>>,
}

struct Lane {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// One more call that waits, until it does so no longer.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slots {
    pub(crate) fn new(limits: RuntimeLimits) -> Self {
        let host = Arc::new(Semaphore::new(limits.instances));
        Self { limits, host, lanes: Mutex::default() }
    }

    /// Waits for a slot, at most until `deadline`.
    pub(crate) async fn take(&self, applet: &AppletId, deadline: Instant) -> Result<Slot, Failure> {
        let lane = self.lane(applet);
        let now = (Arc::clone(&lane.permits).try_acquire_owned(), Arc::clone(&self.host).try_acquire_owned());
        if let (Ok(own), Ok(host)) = now {
            return Ok(Slot { _applet: own, _host: host });
        }
        drop(now);
        if lane.waiting.fetch_add(1, Ordering::Relaxed) >= self.limits.queue_length {
            drop(Waiting(&lane.waiting));
            return Err(self.busy("too many calls of the applet are waiting"));
        }
        let _waiting = Waiting(&lane.waiting);
        let until = (Instant::now() + self.limits.queue_wait).min(deadline);
        let both = async {
            let own = Arc::clone(&lane.permits).acquire_owned().await.ok()?;
            let host = Arc::clone(&self.host).acquire_owned().await.ok()?;
            Some(Slot { _applet: own, _host: host })
        };
        match timeout_at(until.into(), both).await {
            Ok(Some(slot)) => Ok(slot),
            Ok(None) | Err(_) => Err(self.busy("too many calls are running")),
        }
    }

    fn lane(&self, applet: &AppletId) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(applet) {
            return Arc::clone(lane);
        }
        if lanes.len() >= REMEMBERED {
            // A lane in use is held by its callers, or its permits are.
            lanes.retain(|_, lane| {
                Arc::strong_count(lane) > 1
                    || lane.permits.available_permits() < self.limits.instances_per_applet
            });
        }
        let permits = Arc::new(Semaphore::new(self.limits.instances_per_applet));
        let lane = Arc::new(Lane { permits, waiting: AtomicUsize::new(0) });
        lanes.insert(applet.clone(), Arc::clone(&lane));
        lane
    }

    fn busy(&self, reason: &str) -> Failure {
        let wait = u64::try_from(self.limits.queue_wait.as_millis()).unwrap_or(u64::MAX);
        Failure::new(ErrorCode::ConnectionCap, reason).retry_after_ms(wait)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn slots(instances: usize, instances_per_applet: usize, queue_length: usize) -> Slots {
        let queue_wait = Duration::from_millis(50);
        Slots::new(RuntimeLimits {
            instances,
            instances_per_applet,
            queue_length,
            queue_wait,
            ..RuntimeLimits::default()
        })
    }

    fn applet(name: &str) -> AppletId {
        name.parse().unwrap()
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn s4_an_applet_at_its_cap_leaves_room_for_others() {
        let slots = slots(3, 2, 8);
        let _one = slots.take(&applet("greedy"), later()).await.unwrap();
        let _two = slots.take(&applet("greedy"), later()).await.unwrap();
        let third = slots.take(&applet("greedy"), later()).await.unwrap_err();
        assert_eq!((third.code, third.retry_after_ms), (ErrorCode::ConnectionCap, Some(50)));
        slots.take(&applet("modest"), later()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn s4_a_slot_is_free_again_when_it_is_dropped() {
        let slots = slots(1, 1, 8);
        let slot = slots.take(&applet("one"), later()).await.unwrap();
        let two = applet("two");
        let (second, ()) = tokio::join!(slots.take(&two, later()), async { drop(slot) });
        second.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn s4_a_full_queue_refuses_at_once() {
        let slots = slots(1, 1, 0);
        let _held = slots.take(&applet("one"), later()).await.unwrap();
        let begin = tokio::time::Instant::now();
        slots.take(&applet("one"), later()).await.unwrap_err();
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
