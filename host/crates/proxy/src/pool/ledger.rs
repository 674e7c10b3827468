//! The books: who holds what, who waits, who is next. No I/O and no waiting in here.
//!
//! *Invariant:* no more permits and sessions are given out than this host's [`Share`]s of the caps allow.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_types::{AppletId, HostLimits, Mixture, TenantId, Turns, leaves_room};
use tokio::sync::oneshot;

use super::lease::{Grant, Granted, Idle, Permit, Replaced, Slot};
use super::shares::{Share, What};
use super::{PoolStatus, Shared, Want};

/// What is counted for one applet, over all its roles.
#[derive(Debug)]
pub(super) struct Applet {
    /// Permits.
    pub(super) in_use: usize,
    /// Sessions that exist at the server.
    pub(super) open: usize,
    pub(super) share: Share,
    /// Permits by tenant.
    tenants: HashMap<TenantId, usize>,
    mixture: Mixture,
    pub(super) waiting: Turns<TenantId, Waiter>,
}

/// What is counted for one tenant, over all applets.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) in_use: usize,
    pub(super) share: Share,
}

#[derive(Debug)]
pub(super) struct Waiter {
    ticket: u64,
    want: Want,
    reply: oneshot::Sender<Grant>,
}

#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) per_applet: usize,
    pub(super) per_tenant: usize,
    pub(super) sessions: usize,
    queue_length: usize,
    /// Whether the caps are shared with other hosts. If not, all of each is ours.
    pub(super) shared: bool,
    /// Counted up when everything that was held is lost: what was opened before is not used again.
    pub(super) term: u64,
    pub(super) open: usize,
    pub(super) in_use: usize,
    pub(super) database: Share,
    pub(super) applets: HashMap<AppletId, Applet>,
    pub(super) tenants: HashMap<TenantId, Tenant>,
    /// The one used last at the end.
    idle: Vec<Idle>,
    /// Applets with somebody waiting; the one served last at the end.
    pub(super) turn: Turns<AppletId, ()>,
    next_ticket: u64,
}

impl Ledger {
    pub(super) fn new(limits: &HostLimits, shared: bool) -> Self {
        let now = Instant::now();
        Self {
            per_applet: limits.sessions_per_applet,
            per_tenant: limits.sessions_per_tenant,
            sessions: limits.sessions,
            queue_length: limits.queue_length,
            shared,
            term: 0,
            open: 0,
            in_use: 0,
            database: Share::new(if shared { 0 } else { limits.sessions }, now),
            applets: HashMap::new(),
            tenants: HashMap::new(),
            idle: Vec::new(),
            turn: Turns::default(),
            next_ticket: 0,
        }
    }

    pub(super) fn status(&self) -> PoolStatus {
        let waiting = self.applets.values().map(|applet| applet.waiting.len()).sum();
        PoolStatus { open: self.open, in_use: self.in_use, waiting }
    }

    /// Whether nothing was lost since this term began.
    pub(super) const fn is_current(&self, term: u64) -> bool {
        self.term == term
    }

    pub(super) fn applet(&mut self, applet: &AppletId) -> &mut Applet {
        let allowed = if self.shared { 0 } else { self.per_applet };
        self.applets.entry(applet.clone()).or_insert_with(|| Applet {
            in_use: 0,
            open: 0,
            share: Share::new(allowed, Instant::now()),
            tenants: HashMap::new(),
            mixture: Mixture::default(),
            waiting: Turns::default(),
        })
    }

    pub(super) fn tenant(&mut self, tenant: TenantId) -> &mut Tenant {
        let allowed = if self.shared { 0 } else { self.per_tenant };
        self.tenants
            .entry(tenant)
            .or_insert_with(|| Tenant { in_use: 0, share: Share::new(allowed, Instant::now()) })
    }

    /// A session or a place for one, if the caps leave any. What was idle serves first; then a free place;
    /// then the place of the session that was idle longest: of the applet itself when its own cap is
    /// reached, of anybody when the budget is.
    pub(super) fn grant(&mut self, want: &Want, shared: &Arc<Shared>) -> Option<Grant> {
        let place = if self.permits(want) { self.place(want, shared) } else { None };
        let Some(place) = place else {
            self.forget_tenant_if_unused(want.tenant);
            self.forget_if_unused(&want.applet);
            return None;
        };
        let now = Instant::now();
        self.in_use += 1;
        self.database.touch(now);
        let applet = self.applet(&want.applet);
        applet.in_use += 1;
        applet.share.touch(now);
        *applet.tenants.entry(want.tenant).or_default() += 1;
        let tenant = self.tenant(want.tenant);
        tenant.in_use += 1;
        tenant.share.touch(now);
        let permit = Permit::new(Arc::clone(shared), want.applet.clone(), want.tenant);
        Some(Grant::new(permit, place, &want.login))
    }

    /// Whether one more may work for this applet and this tenant: below both caps, and with room left for
    /// applets, and tenants of this applet, that have less.
    fn permits(&mut self, want: &Want) -> bool {
        let free = self.database.allowed.saturating_sub(self.in_use);
        let tenant = self.tenant(want.tenant);
        if tenant.in_use >= tenant.share.allowed {
            return false;
        }
        let applet = self.applet(&want.applet);
        let now = Instant::now();
        applet.mixture.saw(want.tenant, now);
        let of_tenant = applet.tenants.get(&want.tenant).copied().unwrap_or_default();
        let is_last = applet.in_use + 1 >= applet.share.allowed;
        applet.in_use < applet.share.allowed
            && leaves_room(applet.in_use, free)
            && !(is_last && of_tenant > 0 && applet.mixture.is_mixed(now))
    }

    fn place(&mut self, want: &Want, shared: &Arc<Shared>) -> Option<Granted> {
        let same_role = |idle: &Idle| idle.login.role == want.login.role && idle.slot.applet == want.applet;
        if let Some(position) = self.idle.iter().rposition(same_role) {
            let idle = self.idle.remove(position);
            // The server may have ended it meanwhile.
            return Some(if idle.session.is_reusable() && idle.login == want.login {
                Granted::Session(idle)
            } else {
                self.replace(idle, want)
            });
        }
        let allowed = self.database.allowed;
        let all_open = self.open;
        let applet = self.applet(&want.applet);
        if applet.open > applet.share.allowed || all_open > allowed {
            // Sessions are being closed, or given back to other hosts when they come back.
            return None;
        }
        if applet.open == applet.share.allowed {
            let position = self.idle.iter().position(|idle| idle.slot.applet == want.applet)?;
            let idle = self.idle.remove(position);
            return Some(self.replace(idle, want));
        }
        if all_open < allowed {
            self.open += 1;
            self.applet(&want.applet).open += 1;
            return Some(Granted::Open(Slot::new(Arc::clone(shared), want.applet.clone(), self.term)));
        }
        if self.idle.is_empty() {
            return None;
        }
        let idle = self.idle.remove(0);
        Some(self.replace(idle, want))
    }

    /// The place of an idle session. Both are counted until the old one is gone; the budget counts one, for
    /// the new one is opened after that.
    fn replace(&mut self, idle: Idle, want: &Want) -> Granted {
        let Idle { session, mut slot, .. } = idle;
        let leaving = slot.pass_to(want.applet.clone(), self.term);
        self.applet(&want.applet).open += 1;
        Granted::Replace(Replaced { session, leaving }, slot)
    }

    /// Queues `want` behind what its tenant has waiting for the applet; `None` when there is no room. In a
    /// full queue a flood makes room for whoever has less waiting; whom that pushes out is given as well.
    pub(super) fn enqueue(
        &mut self,
        want: &Want,
        reply: oneshot::Sender<Grant>,
    ) -> Option<(u64, Option<Waiter>)> {
        let most = self.queue_length;
        let applet = self.applet(&want.applet);
        let pushed_out = match applet.waiting.len() < most {
            true => None,
            false => Some(applet.waiting.make_room(&want.tenant)?),
        };
        let was_empty = applet.waiting.is_empty();
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.applet(&want.applet).waiting.push(want.tenant, Waiter { ticket, want: want.clone(), reply });
        if was_empty && pushed_out.is_none() {
            self.turn.push(want.applet.clone(), ());
        }
        Some((ticket, pushed_out))
    }

    /// Whether this host has less than the whole of a cap that `want` counts towards.
    pub(super) fn lacks(&self, want: &Want) -> bool {
        self.shared
            && (self.database.allowed < self.sessions
                || self.applets.get(&want.applet).is_none_or(|entry| entry.share.allowed < self.per_applet)
                || self.tenants.get(&want.tenant).is_none_or(|entry| entry.share.allowed < self.per_tenant))
    }

    pub(super) fn leave_queue(&mut self, applet: &AppletId, tenant: TenantId, ticket: u64) {
        self.forget_tenant_if_unused(tenant);
        let Some(entry) = self.applets.get_mut(applet) else { return };
        entry.waiting.remove(|waiter| waiter.ticket == ticket);
        if entry.waiting.is_empty() {
            self.turn.forget(applet);
        }
        self.forget_if_unused(applet);
    }

    /// Serves who waits, applet by applet in turn and in each tenant by tenant, as far as the caps allow.
    /// Gives the grants that nobody took.
    pub(super) fn dispatch(&mut self, shared: &Arc<Shared>) -> Vec<Grant> {
        let mut undelivered = Vec::new();
        let mut position = 0;
        while position < self.turn.lanes() {
            // With no idle session and no free place, whoever waits goes on waiting.
            if self.idle.is_empty() && self.open >= self.database.allowed {
                break;
            }
            let Some(applet) = self.turn.counts().nth(position).map(|(applet, _)| applet.clone()) else {
                break;
            };
            let Some((reply, grant)) = self.serve_one(&applet, shared) else {
                position += 1;
                continue;
            };
            self.turn.forget(&applet);
            if self.applets.get(&applet).is_some_and(|entry| !entry.waiting.is_empty()) {
                self.turn.push(applet, ());
            }
            undelivered.extend(reply.send(grant).err());
            position = 0;
        }
        undelivered
    }

    /// The next tenant in turn that can have a session: one that waits for its own cap does not hold up
    /// others.
    fn serve_one(
        &mut self,
        applet: &AppletId,
        shared: &Arc<Shared>,
    ) -> Option<(oneshot::Sender<Grant>, Grant)> {
        let lanes = self.applets.get(applet)?.waiting.lanes();
        for position in 0..lanes {
            let want = self.applets.get(applet)?.waiting.peek(position)?.want.clone();
            if let Some(grant) = self.grant(&want, shared) {
                let waiter = self.applets.get_mut(applet)?.waiting.take(position)?;
                return Some((waiter.reply, grant));
            }
        }
        None
    }

    /// Keeps a session for whoever comes next, or gives it back when there is no place for it any more.
    pub(super) fn session_returned(&mut self, idle: Idle) -> Option<Idle> {
        let (allowed, term) = (self.database.allowed, self.term);
        let all_open = self.open;
        let applet = self.applet(&idle.slot.applet);
        if idle.slot.term != term || applet.open > applet.share.allowed || all_open > allowed {
            return Some(idle);
        }
        self.idle.push(idle);
        None
    }

    pub(super) fn permit_returned(&mut self, applet: &AppletId, tenant: TenantId) {
        self.in_use = self.in_use.saturating_sub(1);
        if let Some(entry) = self.applets.get_mut(applet) {
            entry.in_use = entry.in_use.saturating_sub(1);
            if let Some(count) = entry.tenants.get_mut(&tenant) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    entry.tenants.remove(&tenant);
                }
            }
        }
        if let Some(entry) = self.tenants.get_mut(&tenant) {
            entry.in_use = entry.in_use.saturating_sub(1);
        }
        self.forget_tenant_if_unused(tenant);
        self.forget_if_unused(applet);
    }

    /// A place is free: its session is gone.
    pub(super) fn slot_returned(&mut self, applet: &AppletId) {
        self.open = self.open.saturating_sub(1);
        self.session_left(applet);
    }

    /// A session of the applet is gone; its place is another's already.
    pub(super) fn session_left(&mut self, applet: &AppletId) {
        if let Some(entry) = self.applets.get_mut(applet) {
            entry.open = entry.open.saturating_sub(1);
        }
        self.forget_if_unused(applet);
    }

    /// An applet that nobody uses is forgotten, unless a part of its cap is down for us in the database.
    pub(super) fn forget_if_unused(&mut self, applet: &AppletId) {
        let shared = self.shared;
        let unused = |entry: &Applet| {
            entry.in_use == 0
                && entry.open == 0
                && entry.waiting.is_empty()
                && (!shared || entry.share.is_void())
        };
        if self.applets.get(applet).is_some_and(unused) {
            self.applets.remove(applet);
        }
    }

    pub(super) fn forget_tenant_if_unused(&mut self, tenant: TenantId) {
        let shared = self.shared;
        let unused = |entry: &Tenant| entry.in_use == 0 && (!shared || entry.share.is_void());
        if self.tenants.get(&tenant).is_some_and(unused) {
            self.tenants.remove(&tenant);
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

    /// Takes out the sessions that were idle longest, until what is open fits the share of `what`.
    pub(super) fn take_surplus(&mut self, what: &What) -> Vec<Idle> {
        let mut surplus = match what {
            What::Database => self.open.saturating_sub(self.database.allowed),
            What::Applet(applet) => {
                self.applets.get(applet).map_or(0, |entry| entry.open.saturating_sub(entry.share.allowed))
            }
            What::Tenant(_) => 0,
        };
        let of_it = |idle: &Idle| match what {
            What::Database => true,
            What::Applet(applet) => idle.slot.applet == *applet,
            What::Tenant(_) => false,
        };
        let taken = |idle: &mut Idle| {
            let take = surplus > 0 && of_it(idle);
            surplus -= usize::from(take);
            take
        };
        self.idle.extract_if(.., taken).collect()
    }
}
