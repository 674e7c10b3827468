//! What the ledger tells the keeper, and learns from it: what this host needs of each cap, what it was
//! given, what others want of it, and what it can give back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use applet_types::TenantId;

use super::lease::Idle;
use super::ledger::Ledger;
use super::shares::{Ask, Share, Wanting, What};

impl Ledger {
    /// What is needed beyond what this host may use. Nothing of that which it is about to give back.
    pub(super) fn asks(&self) -> Vec<Ask> {
        let mut asks = Vec::new();
        for (applet, _) in self.turn.counts() {
            let Some(entry) = self.applets.get(applet) else { continue };
            let ask = |need| Ask { what: What::Applet(applet.clone()), need, cap: self.per_applet };
            push(&mut asks, &entry.share, entry.open, ask(self.need_of(&What::Applet(applet.clone()))));
            for (tenant, _) in entry.waiting.counts() {
                let what = What::Tenant(*tenant);
                if asks.iter().any(|ask| ask.what == what) {
                    continue;
                }
                let need = self.need_of(&what);
                let ask = Ask { what, need, cap: self.per_tenant };
                match self.tenants.get(tenant) {
                    Some(entry) => push(&mut asks, &entry.share, entry.in_use, ask),
                    None => asks.push(ask),
                }
            }
        }
        if !self.turn.is_empty() {
            let ask = Ask { what: What::Database, need: self.need_of(&What::Database), cap: self.sessions };
            push(&mut asks, &self.database, self.open, ask);
        }
        asks
    }

    /// How much of a cap is in use or waited for, and what has to stay free beside it.
    fn need_of(&self, what: &What) -> usize {
        let of_applet = |applet: &super::ledger::Applet| {
            // One for a tenant that has none, if there are several.
            let several = usize::from(applet.waiting.lanes() > 0 && applet.in_use > 0);
            (applet.in_use + applet.waiting.len() + several).min(self.per_applet)
        };
        match what {
            What::Applet(applet) => self.applets.get(applet).map_or(0, of_applet),
            What::Tenant(tenant) => {
                let in_use = self.tenants.get(tenant).map_or(0, |entry| entry.in_use);
                let waiting: usize =
                    self.turn.counts().map(|(applet, _)| self.waiting_of(applet, *tenant)).sum();
                (in_use + waiting).min(self.per_tenant)
            }
            What::Database => {
                let needs = || self.applets.values().map(of_applet);
                // The applet with the most leaves as much free as it has.
                let left_free = needs().max().unwrap_or_default();
                (needs().sum::<usize>() + left_free).min(self.sessions)
            }
        }
    }

    fn waiting_of(&self, applet: &applet_types::AppletId, tenant: TenantId) -> usize {
        let counts = self.applets.get(applet).map(|entry| entry.waiting.counts());
        counts.into_iter().flatten().find(|(of, _)| **of == tenant).map_or(0, |(_, count)| count)
    }

    fn share(&mut self, what: &What) -> &mut Share {
        match what {
            What::Database => &mut self.database,
            What::Applet(applet) => &mut self.applet(applet).share,
            What::Tenant(tenant) => &mut self.tenant(*tenant).share,
        }
    }

    /// The database has this much of it down for us.
    pub(super) fn granted(&mut self, what: &What, held: usize, now: Instant) {
        self.share(what).record(held, now);
    }

    /// Gives up what others should have of it. Gives the idle sessions that have to be closed for that.
    pub(super) fn give(&mut self, what: &What, total: usize, wanting: &[Wanting], now: Instant) -> Vec<Idle> {
        let need = self.need_of(what);
        let cap = match what {
            What::Database => self.sessions,
            What::Applet(_) => self.per_applet,
            What::Tenant(_) => self.per_tenant,
        };
        // What is being given back already is as good as free.
        let going = self.excess_of(what).map_or(0, |(recorded, kept)| recorded.saturating_sub(kept));
        let free = cap.saturating_sub(total) + going;
        self.share(what).give(need, free, wanting, now);
        self.take_surplus(what)
    }

    /// What is recorded, and what of it is still allowed, where they differ.
    fn excess_of(&mut self, what: &What) -> Option<(usize, usize)> {
        let share = self.share(what);
        share.excess(0).map(|kept| (share.recorded(), kept))
    }

    /// What the database may be told that we keep, of everything that has become less.
    pub(super) fn releases(&self) -> Vec<(What, usize)> {
        let applets = self
            .applets
            .iter()
            .map(|(applet, entry)| (What::Applet(applet.clone()), entry.share.excess(entry.open)));
        let tenants = self
            .tenants
            .iter()
            .map(|(tenant, entry)| (What::Tenant(*tenant), entry.share.excess(entry.in_use)));
        let database = [(What::Database, self.database.excess(self.open))];
        applets
            .chain(tenants)
            .chain(database)
            .filter_map(|(what, kept)| kept.map(|kept| (what, kept)))
            .collect()
    }

    /// The database has been told.
    pub(super) fn released(&mut self, what: &What, held: usize) {
        self.share(what).returned(held);
        match what {
            What::Database => {}
            What::Applet(applet) => self.forget_if_unused(applet),
            What::Tenant(tenant) => self.forget_tenant_if_unused(*tenant),
        }
    }

    /// Gives up shares that nobody has used for a while, so that they do not gather.
    pub(super) fn give_up_unused(&mut self, unused_for: Duration, now: Instant) {
        let applets = self.applets.values_mut().filter(|entry| entry.open == 0 && entry.waiting.is_empty());
        applets.for_each(|entry| entry.share.give_up_unused(unused_for, now));
        let tenants = self.tenants.values_mut().filter(|entry| entry.in_use == 0);
        tenants.for_each(|entry| entry.share.give_up_unused(unused_for, now));
        if self.open == 0 && self.turn.is_empty() {
            self.database.give_up_unused(unused_for, now);
        }
        self.tenants.retain(|_, entry| entry.in_use > 0 || !entry.share.is_void());
        self.applets.retain(|_, entry| {
            entry.in_use > 0 || entry.open > 0 || !entry.waiting.is_empty() || !entry.share.is_void()
        });
    }

    /// What the database has down for us, after an answer of it was lost.
    pub(super) fn recount(&mut self, held: &HashMap<What, usize>) {
        for what in held.keys() {
            // Makes entries for what we did not know of, so that it is given back.
            self.share(what);
        }
        let of = |what: &What| held.get(what).copied().unwrap_or_default();
        self.database.recount(of(&What::Database));
        for (applet, entry) in &mut self.applets {
            entry.share.recount(of(&What::Applet(applet.clone())));
        }
        for (tenant, entry) in &mut self.tenants {
            entry.share.recount(of(&What::Tenant(*tenant)));
        }
    }

    /// Everything this host had is lost: others have ended its sessions. Gives the idle ones.
    pub(super) fn lose_everything(&mut self) -> Vec<Idle> {
        self.term += 1;
        self.database.lose();
        self.applets.values_mut().for_each(|entry| entry.share.lose());
        self.tenants.values_mut().for_each(|entry| entry.share.lose());
        self.take_idle()
    }
}

/// Adds what is missing, unless some of it is on its way back.
fn push(asks: &mut Vec<Ask>, share: &Share, used: usize, ask: Ask) {
    if ask.need > share.allowed
        && share.allowed < ask.cap
        && share.excess(used).is_none()
        && share.excess(0).is_none()
    {
        asks.push(ask);
    }
}

#[cfg(test)]
mod tests {
    use applet_types::HostLimits;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId::new(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn decision_18_a_host_starts_with_nothing_and_gives_back_what_it_does_not_use() {
        let mut ledger = Ledger::new(&HostLimits::default(), true);
        let applet = What::Applet("ai-chat".parse().unwrap());
        let now = Instant::now();
        assert_eq!(ledger.asks(), [], "nobody waits");
        ledger.granted(&applet, 5, now);
        ledger.granted(&What::Tenant(tenant(1)), 10, now);
        assert_eq!(ledger.releases(), []);
        assert_eq!(ledger.give(&applet, 5, &[Wanting { held: 0, wants: 4 }], now).len(), 0);
        assert_eq!(ledger.releases(), [(applet.clone(), 1)]);
        ledger.give(&applet, 5, &[Wanting { held: 0, wants: 4 }], now);
        assert_eq!(ledger.releases(), [(applet.clone(), 1)], "what is on its way counts as free");
        ledger.released(&applet, 1);
        assert_eq!(ledger.releases(), []);
        ledger.give_up_unused(Duration::ZERO, now);
        let mut releases = ledger.releases();
        releases.sort_by_key(|(what, _)| what.to_string());
        assert_eq!(releases, [(applet.clone(), 0), (What::Tenant(tenant(1)), 0)]);
        for (what, kept) in releases {
            ledger.released(&what, kept);
        }
        assert!(ledger.applets.is_empty() && ledger.tenants.is_empty());
    }

    #[test]
    fn decision_18_after_a_lost_answer_the_database_is_believed() {
        let mut ledger = Ledger::new(&HostLimits::default(), true);
        let (one, two) = (What::Applet("one".parse().unwrap()), What::Applet("two".parse().unwrap()));
        let now = Instant::now();
        ledger.granted(&one, 5, now);
        ledger.recount(&HashMap::from([(one.clone(), 3), (two.clone(), 2)]));
        assert_eq!(ledger.share(&one).allowed, 3);
        assert_eq!(ledger.releases(), [(two, 0)], "a share that nobody knew of goes back");
        ledger.lose_everything();
        assert_eq!((ledger.share(&one).allowed, ledger.releases().len()), (0, 0));
    }
}
