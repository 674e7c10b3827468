//! How many instances may run at once, of one applet and of all, and who is next.
//!
//! Who waits is served applet by applet in turn, and tenant by tenant within one. Waiting is bounded in time
//! and in number, so that a flooded applet says no early instead of piling up. Applets that have many
//! instances leave room for those that have few: eight that hold all they may do not shut out the ninth.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use applet_types::{AppletId, ErrorCode, Failure, Mixture, TenantId, Turns, leaves_room};
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use crate::limits::RuntimeLimits;

/// Applets remembered before those without a call are forgotten.
const REMEMBERED: usize = 1_024;

/// The right to run one instance. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Slot {
    books: Arc<Books>,
    applet: AppletId,
    tenant: TenantId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.books.update(|ledger| ledger.returned(&self.applet, self.tenant));
    }
}

pub(crate) struct Slots {
    books: Arc<Books>,
}

#[derive(Debug)]
struct Books {
    limits: RuntimeLimits,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    running: usize,
    applets: HashMap<AppletId, Applet>,
    /// Applets with somebody waiting.
    turn: Turns<AppletId, ()>,
    next_ticket: u64,
}

#[derive(Debug, Default)]
struct Applet {
    running: usize,
    tenants: HashMap<TenantId, usize>,
    mixture: Mixture,
    waiting: Turns<TenantId, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    tenant: TenantId,
    reply: oneshot::Sender<Slot>,
}

impl Slots {
    pub(crate) fn new(limits: RuntimeLimits) -> Self {
        Self { books: Arc::new(Books { limits, ledger: Mutex::default() }) }
    }

    /// Waits for a slot, at most until `deadline`.
    pub(crate) async fn take(
        &self,
        applet: &AppletId,
        tenant: TenantId,
        deadline: Instant,
    ) -> Result<Slot, Failure> {
        let limits = &self.books.limits;
        let (waiting, ticket) = {
            let mut ledger = self.books.ledger();
            if ledger.begin(applet, tenant, limits) {
                return Ok(self.books.slot(applet, tenant));
            }
            let (reply, waiting) = oneshot::channel();
            let Some((ticket, pushed_out)) = ledger.enqueue(applet, tenant, reply, limits.queue_length)
            else {
                return Err(self.busy("too many calls of the applet are waiting"));
            };
            // Its caller is told by that.
            drop(pushed_out);
            (waiting, ticket)
        };
        let _place = Place { books: &self.books, applet, ticket };
        let until = (Instant::now() + limits.queue_wait).min(deadline);
        match timeout_at(until.into(), waiting).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) => Err(self.busy("too many calls of the applet are waiting")),
            Err(_) => Err(self.busy("too many calls are running")),
        }
    }

    fn busy(&self, reason: &str) -> Failure {
        let wait = u64::try_from(self.books.limits.queue_wait.as_millis()).unwrap_or(u64::MAX);
        Failure::new(ErrorCode::ConnectionCap, reason).retry_after_ms(wait)
    }
}

/// A place in a queue; given up when the waiting ends, however it ends.
struct Place<'a> {
    books: &'a Books,
    applet: &'a AppletId,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.books.ledger().leave_queue(self.applet, self.ticket);
    }
}

impl Books {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(self: &Arc<Self>, applet: &AppletId, tenant: TenantId) -> Slot {
        Slot { books: Arc::clone(self), applet: applet.clone(), tenant }
    }

    /// Changes the books and serves who waits. Slots that nobody takes any more are given back outside of
    /// the lock.
    fn update(self: &Arc<Self>, change: impl FnOnce(&mut Ledger)) {
        let mut undelivered = Vec::new();
        {
            let mut ledger = self.ledger();
            change(&mut ledger);
            while let Some((applet, waiter)) = ledger.next(&self.limits) {
                undelivered.extend(waiter.reply.send(self.slot(&applet, waiter.tenant)).err());
            }
        }
        drop(undelivered);
    }
}

impl Ledger {
    fn applet(&mut self, applet: &AppletId) -> &mut Applet {
        if self.applets.len() >= REMEMBERED && !self.applets.contains_key(applet) {
            self.applets.retain(|_, entry| entry.running > 0 || !entry.waiting.is_empty());
        }
        self.applets.entry(applet.clone()).or_default()
    }

    /// Counts one more of the applet for the tenant, if there is room for it.
    fn begin(&mut self, applet: &AppletId, tenant: TenantId, limits: &RuntimeLimits) -> bool {
        let free = limits.instances.saturating_sub(self.running);
        let now = Instant::now();
        let entry = self.applet(applet);
        entry.mixture.saw(tenant, now);
        let is_last = entry.running + 1 >= limits.instances_per_applet;
        let room = entry.running < limits.instances_per_applet
            && leaves_room(entry.running, free)
            && !(is_last && entry.tenants.contains_key(&tenant) && entry.mixture.is_mixed(now));
        if room {
            entry.running += 1;
            *entry.tenants.entry(tenant).or_default() += 1;
            self.running += 1;
        }
        room
    }

    fn returned(&mut self, applet: &AppletId, tenant: TenantId) {
        self.running = self.running.saturating_sub(1);
        let Some(entry) = self.applets.get_mut(applet) else { return };
        entry.running = entry.running.saturating_sub(1);
        if let Some(count) = entry.tenants.get_mut(&tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                entry.tenants.remove(&tenant);
            }
        }
    }

    /// Queues a call behind what its tenant has waiting. In a full queue a flood makes room for whoever has
    /// less waiting; whom that pushes out is given as well. `None` when there is no room.
    fn enqueue(
        &mut self,
        applet: &AppletId,
        tenant: TenantId,
        reply: oneshot::Sender<Slot>,
        most: usize,
    ) -> Option<(u64, Option<Waiter>)> {
        let entry = self.applet(applet);
        let pushed_out = match entry.waiting.len() < most {
            true => None,
            false => Some(entry.waiting.make_room(&tenant)?),
        };
        let is_first = entry.waiting.is_empty() && pushed_out.is_none();
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.applet(applet).waiting.push(tenant, Waiter { ticket, tenant, reply });
        if is_first {
            self.turn.push(applet.clone(), ());
        }
        Some((ticket, pushed_out))
    }

    fn leave_queue(&mut self, applet: &AppletId, ticket: u64) {
        let Some(entry) = self.applets.get_mut(applet) else { return };
        entry.waiting.remove(|waiter| waiter.ticket == ticket);
        if entry.waiting.is_empty() {
            self.turn.forget(applet);
        }
    }

    /// The next in turn for which there is room, counted already.
    fn next(&mut self, limits: &RuntimeLimits) -> Option<(AppletId, Waiter)> {
        if self.running >= limits.instances {
            return None;
        }
        for position in 0..self.turn.lanes() {
            let applet = self.turn.counts().nth(position).map(|(applet, _)| applet.clone())?;
            let lanes = self.applets.get(&applet).map_or(0, |entry| entry.waiting.lanes());
            for lane in 0..lanes {
                let tenant = self.applets.get(&applet)?.waiting.peek(lane)?.tenant;
                if !self.begin(&applet, tenant, limits) {
                    continue;
                }
                let entry = self.applets.get_mut(&applet)?;
                let waiter = entry.waiting.take(lane)?;
                self.turn.forget(&applet);
                if self.applets.get(&applet).is_some_and(|entry| !entry.waiting.is_empty()) {
                    self.turn.push(applet.clone(), ());
                }
                return Some((applet, waiter));
            }
        }
        None
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

    fn tenant(number: u128) -> TenantId {
        TenantId::new(uuid::Uuid::from_u128(number))
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn s4_an_applet_at_its_cap_leaves_room_for_others() {
        let slots = slots(3, 2, 8);
        let _one = slots.take(&applet("greedy"), tenant(1), later()).await.unwrap();
        let _two = slots.take(&applet("greedy"), tenant(1), later()).await.unwrap();
        let third = slots.take(&applet("greedy"), tenant(1), later()).await.unwrap_err();
        assert_eq!((third.code, third.retry_after_ms), (ErrorCode::ConnectionCap, Some(50)));
        slots.take(&applet("modest"), tenant(1), later()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn s4_a_slot_is_free_again_when_it_is_dropped() {
        let slots = slots(1, 1, 8);
        let slot = slots.take(&applet("one"), tenant(1), later()).await.unwrap();
        let two = applet("two");
        let (second, ()) = tokio::join!(slots.take(&two, tenant(1), later()), async { drop(slot) });
        second.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn s4_a_full_queue_refuses_at_once() {
        let slots = slots(1, 1, 0);
        let _held = slots.take(&applet("one"), tenant(1), later()).await.unwrap();
        let begin = tokio::time::Instant::now();
        slots.take(&applet("one"), tenant(1), later()).await.unwrap_err();
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn g21_eight_applets_with_all_they_may_have_leave_room_for_a_ninth() {
        let slots = slots(64, 8, 50);
        let mut held = Vec::new();
        for number in 0..8 {
            let flooder = applet(&format!("flooder-{number}"));
            while let Ok(slot) = slots.take(&flooder, tenant(1), later()).await {
                held.push(slot);
            }
        }
        assert!(held.len() >= 48, "{} instances are not much for eight", held.len());
        slots.take(&applet("quiet"), tenant(2), later()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn g21_a_tenant_that_holds_an_applets_instances_leaves_one_to_the_others() {
        let slots = slots(64, 8, 50);
        let shared = applet("shared");
        drop(slots.take(&shared, tenant(2), later()).await.unwrap());
        let mut held = Vec::new();
        while let Ok(slot) = slots.take(&shared, tenant(1), later()).await {
            held.push(slot);
        }
        assert_eq!(held.len(), 7);
        for _ in 0..3 {
            slots.take(&shared, tenant(2), later()).await.unwrap();
        }
        drop(held);
        let alone = applet("alone");
        let all: Vec<_> = futures_of(8, || slots.take(&alone, tenant(1), later())).await;
        assert!(all.iter().all(Result::is_ok), "an applet of one tenant has all of it");
    }

    /// Awaits them one after the other and keeps what they gave.
    async fn futures_of<F: Future>(number: usize, make: impl Fn() -> F) -> Vec<F::Output> {
        let mut outputs = Vec::new();
        for _ in 0..number {
            outputs.push(make().await);
        }
        outputs
    }

    #[tokio::test(start_paused = true)]
    async fn s4_61_who_waits_for_an_instance_is_served_tenant_by_tenant() {
        let slots = slots(1, 1, 50);
        let slots = &slots;
        let first = slots.take(&applet("one"), tenant(9), later()).await.unwrap();
        let served = Mutex::new(Vec::new());
        let wait = |number: u128| {
            let served = &served;
            async move {
                let slot = slots.take(&applet("one"), tenant(number), later()).await.unwrap();
                served.lock().unwrap().push(number);
                drop(slot);
            }
        };
        tokio::join!(wait(1), wait(1), wait(1), wait(2), wait(3), async { drop(first) });
        assert_eq!(served.into_inner().unwrap(), [1, 2, 3, 1, 1]);
    }
}
