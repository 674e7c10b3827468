//! The books: who holds what, who waits, who is next. No I/O and no waiting in here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_types::{AppletId, HostLimits, TenantId};
use tokio::sync::oneshot;

use super::lease::{Grant, Granted, Idle, Permit, Slot};
use super::{PoolStatus, Shared, Want};

/// What is counted for one applet, over all its roles.
#[derive(Debug, Default)]
struct Applet {
    /// Permits.
    in_use: usize,
    /// Sessions that exist at the server.
    open: usize,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    want: Want,
    reply: oneshot::Sender<Grant>,
}

#[derive(Debug)]
pub(super) struct Ledger {
    per_applet: usize,
    per_tenant: usize,
    sessions: usize,
    queue_length: usize,
    open: usize,
    in_use: usize,
    applets: HashMap<AppletId, Applet>,
    tenants: HashMap<TenantId, usize>,
    /// The one used last at the end.
    idle: Vec<Idle>,
    /// Applets with somebody waiting; the one served last at the end.
    turn: VecDeque<AppletId>,
    next_ticket: u64,
}

impl Ledger {
    pub(super) fn new(limits: &HostLimits) -> Self {
        Self {
            per_applet: limits.sessions_per_applet,
            per_tenant: limits.sessions_per_tenant,
            sessions: limits.sessions,
            queue_length: limits.queue_length,
            open: 0,
            in_use: 0,
            applets: HashMap::new(),
            tenants: HashMap::new(),
            idle: Vec::new(),
            turn: VecDeque::new(),
            next_ticket: 0,
        }
    }

    pub(super) fn status(&self) -> PoolStatus {
        let waiting = self.applets.values().map(|applet| applet.waiting.len()).sum();
        PoolStatus { open: self.open, in_use: self.in_use, waiting }
    }

    /// A session or a place for one, if the caps leave any. What was idle serves first; then a free place;
    /// then the place of the session that was idle longest: of the applet itself when its own cap is
    /// reached, of anybody when the budget is.
    pub(super) fn grant(&mut self, want: &Want, shared: &Arc<Shared>) -> Option<Grant> {
        let (in_use, open) =
            self.applets.get(&want.applet).map_or((0, 0), |applet| (applet.in_use, applet.open));
        if in_use >= self.per_applet
            || self.tenants.get(&want.tenant).is_some_and(|count| *count >= self.per_tenant)
        {
            return None;
        }
        let place = self.place(want, open, shared)?;
        self.in_use += 1;
        self.applets.entry(want.applet.clone()).or_default().in_use += 1;
        *self.tenants.entry(want.tenant).or_default() += 1;
        let permit = Permit::new(Arc::clone(shared), want.applet.clone(), want.tenant);
        Some(Grant::new(permit, place, &want.login))
    }

    fn place(&mut self, want: &Want, open: usize, shared: &Arc<Shared>) -> Option<Granted> {
        let same_role = |idle: &Idle| idle.login.role == want.login.role && idle.slot.applet == want.applet;
        if let Some(position) = self.idle.iter().rposition(same_role) {
            let idle = self.idle.remove(position);
            // The server may have ended it meanwhile.
            return Some(if idle.session.is_reusable() && idle.login == want.login {
                Granted::Session(idle)
            } else {
                Granted::Replace(idle.session, idle.slot)
            });
        }
        if open >= self.per_applet {
            let position = self.idle.iter().position(|idle| idle.slot.applet == want.applet)?;
            return Some(self.replace(position, want));
        }
        if self.open < self.sessions {
            self.open += 1;
            self.applets.entry(want.applet.clone()).or_default().open += 1;
            return Some(Granted::Open(Slot::new(Arc::clone(shared), want.applet.clone())));
        }
        if self.idle.is_empty() { None } else { Some(self.replace(0, want)) }
    }

    fn replace(&mut self, position: usize, want: &Want) -> Granted {
        let Idle { session, mut slot, .. } = self.idle.remove(position);
        self.count_open(&slot.applet, false);
        self.applets.entry(want.applet.clone()).or_default().open += 1;
        slot.applet = want.applet.clone();
        Granted::Replace(session, slot)
    }

    /// Queues `want` behind what its applet has waiting; `None` when the queue is full.
    pub(super) fn enqueue(&mut self, want: &Want, reply: oneshot::Sender<Grant>) -> Option<u64> {
        let applet = self.applets.entry(want.applet.clone()).or_default();
        if applet.waiting.len() >= self.queue_length {
            return None;
        }
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        if applet.waiting.is_empty() {
            self.turn.push_back(want.applet.clone());
        }
        applet.waiting.push_back(Waiter { ticket, want: want.clone(), reply });
        Some(ticket)
    }

    pub(super) fn leave_queue(&mut self, applet: &AppletId, ticket: u64) {
        let Some(entry) = self.applets.get_mut(applet) else { return };
        entry.waiting.retain(|waiter| waiter.ticket != ticket);
        if entry.waiting.is_empty() {
            self.turn.retain(|waiting| waiting != applet);
        }
        self.forget_if_unused(applet);
    }

    /// Serves who waits, applet by applet in turn, as far as the caps allow. Gives the grants that nobody
    /// took.
    pub(super) fn dispatch(&mut self, shared: &Arc<Shared>) -> Vec<Grant> {
        let mut undelivered = Vec::new();
        let mut position = 0;
        while position < self.turn.len() {
            // With no idle session and no free place, whoever waits goes on waiting.
            if self.idle.is_empty() && self.open >= self.sessions {
                break;
            }
            let Some(applet) = self.turn.get(position).cloned() else { break };
            let Some((reply, grant)) = self.serve_one(&applet, shared) else {
                position += 1;
                continue;
            };
            self.turn.remove(position);
            if self.applets.get(&applet).is_some_and(|entry| !entry.waiting.is_empty()) {
                self.turn.push_back(applet);
            }
            undelivered.extend(reply.send(grant).err());
            position = 0;
        }
        undelivered
    }

    /// The first of the applet's queue that can have a session: one that waits for its tenant's cap does
    /// not hold up those of other tenants.
    fn serve_one(
        &mut self,
        applet: &AppletId,
        shared: &Arc<Shared>,
    ) -> Option<(oneshot::Sender<Grant>, Grant)> {
        let entry = self.applets.get(applet)?;
        if entry.in_use >= self.per_applet {
            return None;
        }
        for position in 0..entry.waiting.len() {
            let want = self.applets.get(applet)?.waiting.get(position)?.want.clone();
            if let Some(grant) = self.grant(&want, shared) {
                let waiter = self.applets.get_mut(applet)?.waiting.remove(position)?;
                return Some((waiter.reply, grant));
            }
        }
        None
    }

    pub(super) fn session_returned(&mut self, idle: Idle) {
        self.idle.push(idle);
    }

    pub(super) fn permit_returned(&mut self, applet: &AppletId, tenant: TenantId) {
        self.in_use = self.in_use.saturating_sub(1);
        if let Some(entry) = self.applets.get_mut(applet) {
            entry.in_use = entry.in_use.saturating_sub(1);
        }
        if let Some(count) = self.tenants.get_mut(&tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.tenants.remove(&tenant);
            }
        }
        self.forget_if_unused(applet);
    }

    pub(super) fn slot_returned(&mut self, applet: &AppletId) {
        self.open = self.open.saturating_sub(1);
        self.count_open(applet, true);
    }

    fn count_open(&mut self, applet: &AppletId, forget: bool) {
        if let Some(entry) = self.applets.get_mut(applet) {
            entry.open = entry.open.saturating_sub(1);
        }
        if forget {
            self.forget_if_unused(applet);
        }
    }

    fn forget_if_unused(&mut self, applet: &AppletId) {
        let unused = |entry: &Applet| entry.in_use == 0 && entry.open == 0 && entry.waiting.is_empty();
        if self.applets.get(applet).is_some_and(unused) {
            self.applets.remove(applet);
        }
    }

    /// Takes out sessions that are too old, or idle for too long.
    pub(super) fn take_expired(&mut self, limits: &HostLimits, now: Instant) -> Vec<Idle> {
        let lifetime = Duration::from_secs(limits.session_lifetime_s);
        let idle_time = Duration::from_secs(limits.session_idle_s);
        let expired = |idle: &mut Idle| {
            now.duration_since(idle.session.born()) >= lifetime || now.duration_since(idle.since) >= idle_time
        };
        self.idle.extract_if(.., expired).collect()
    }

    pub(super) fn take_idle(&mut self) -> Vec<Idle> {
        std::mem::take(&mut self.idle)
    }
}
