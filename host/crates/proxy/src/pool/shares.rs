//! A host's share of a cap, and how much of it goes to hosts that have less. Pure arithmetic.
//!
//! *Invariant:* what the database has down for a host is never less than what the host allows itself, nor
//! than what it uses. So the sum over all hosts, which the database keeps below the cap, bounds what is used.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use applet_types::{AppletId, TenantId};

/// How long a host with a single place keeps it, when there are more hosts than places.
const TURN: Duration = Duration::from_millis(300);

/// What is capped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// All sessions in the database.
    Database,
    /// Those of an applet, over all its roles.
    Applet(AppletId),
    /// Those that work for a tenant.
    Tenant(TenantId),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => f.write_str("database"),
            Self::Applet(applet) => write!(f, "applet {applet}"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
        }
    }
}

impl FromStr for What {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(' ') {
            None if text == "database" => Ok(Self::Database),
            Some(("applet", id)) => id.parse().map(Self::Applet).map_err(drop),
            Some(("tenant", id)) => id.parse().map(Self::Tenant).map_err(drop),
            None | Some(_) => Err(()),
        }
    }
}

/// What this host needs of something, in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) what: What,
    pub(super) need: usize,
    pub(super) cap: usize,
}

/// Another host that wants more than it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanting {
    pub(super) held: usize,
    pub(super) wants: usize,
}

/// How much of a cap this host has.
#[derive(Debug)]
pub(super) struct Share {
    /// What may be used now.
    pub(super) allowed: usize,
    /// What the database has down for this host.
    recorded: usize,
    gained: Instant,
    used_last: Instant,
}

impl Share {
    /// The whole cap, or nothing of it yet.
    pub(super) fn new(allowed: usize, now: Instant) -> Self {
        Self { allowed, recorded: allowed, gained: now, used_last: now }
    }

    /// The database has this much down now.
    pub(super) fn record(&mut self, held: usize, now: Instant) {
        if held > self.allowed {
            self.gained = now;
        }
        (self.allowed, self.recorded) = (held, held);
        self.used_last = now;
    }

    /// The database has this much down, as it says after we lost count. What is more than we knew of is not
    /// used, and given back.
    pub(super) fn recount(&mut self, held: usize) {
        self.recorded = held;
        self.allowed = self.allowed.min(held);
    }

    /// What was given back is recorded.
    pub(super) fn returned(&mut self, held: usize) {
        self.recorded = self.recorded.min(held).max(self.allowed);
    }

    /// What the database has down for this host.
    pub(super) const fn recorded(&self) -> usize {
        self.recorded
    }

    /// What the database may be told that we keep, if that is less than it knows of.
    pub(super) fn excess(&self, used: usize) -> Option<usize> {
        let kept = self.allowed.max(used);
        (kept < self.recorded).then_some(kept)
    }

    /// Nothing is left of it.
    pub(super) const fn is_void(&self) -> bool {
        self.allowed == 0 && self.recorded == 0
    }

    pub(super) const fn touch(&mut self, now: Instant) {
        self.used_last = now;
    }

    /// Gives all of it up that has not been used for so long.
    pub(super) fn give_up_unused(&mut self, unused_for: Duration, now: Instant) {
        if now.duration_since(self.used_last) >= unused_for {
            self.allowed = 0;
        }
    }

    /// Everything is lost at once: the host was given up by the others.
    pub(super) const fn lose(&mut self) {
        (self.allowed, self.recorded) = (0, 0);
    }

    /// Gives up what those who want more should have; `need` is what is needed here, `free` what nobody has.
    pub(super) fn give(&mut self, need: usize, free: usize, wanting: &[Wanting], now: Instant) {
        let may_lose_last = now.duration_since(self.gained) >= TURN;
        self.allowed -= surplus(self.allowed, need, free, wanting, may_lose_last).min(self.allowed);
    }
}

/// How much of `held` goes to the others: what is not needed here, as far as they want it and half of it at
/// least, so that not every further session is a request; and of what is needed, as much as levels the
/// poorest with this host.
fn surplus(mut held: usize, need: usize, free: usize, wanting: &[Wanting], may_lose_last: bool) -> usize {
    let before = held;
    let mut wanting = wanting.to_vec();
    let idle = held.saturating_sub(need);
    for _ in 0..free {
        raise_poorest(&mut wanting);
    }
    if wanting.iter().all(|other| other.wants == 0) {
        return 0;
    }
    let poorest =
        |wanting: &[Wanting]| wanting.iter().filter(|other| other.wants > 0).map(|other| other.held).min();
    while let Some(poorest) = poorest(&wanting) {
        let last = held == 1 && poorest == 0 && may_lose_last;
        if held == 0 || (held <= need && held < poorest + 2 && !last) {
            break;
        }
        held -= 1;
        raise_poorest(&mut wanting);
    }
    (before - held).max(idle.div_ceil(2))
}

fn raise_poorest(wanting: &mut [Wanting]) {
    if let Some(poorest) = wanting.iter_mut().filter(|other| other.wants > 0).min_by_key(|other| other.held) {
        poorest.held += 1;
        poorest.wants -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn wanting(held: usize, wants: usize) -> Wanting {
        Wanting { held, wants }
    }

    #[test]
    fn decision_18_what_is_capped_has_a_name_that_reads_back() {
        let tenant = TenantId::new(uuid::Uuid::from_u128(7));
        for what in [What::Database, What::Applet("ai-chat".parse().unwrap()), What::Tenant(tenant)] {
            assert_eq!(what.to_string().parse(), Ok(what));
        }
        for text in ["", "databases", "applet", "applet Ünknown", "tenant 7", "other x"] {
            assert_eq!(text.parse::<What>(), Err(()));
        }
    }

    #[test]
    fn decision_18_an_idle_host_gives_what_is_wanted_and_half_of_the_rest() {
        assert_eq!(surplus(5, 0, 0, &[wanting(0, 5)], false), 5);
        assert_eq!(surplus(5, 0, 0, &[wanting(0, 1)], false), 3);
        assert_eq!(surplus(40, 0, 0, &[wanting(0, 1), wanting(0, 2)], false), 20);
        assert_eq!(surplus(5, 0, 1, &[wanting(0, 1)], false), 0, "there is one for it already");
        assert_eq!(surplus(5, 5, 0, &[], false), 0);
    }

    #[test]
    fn decision_18_busy_hosts_level_and_then_leave_each_other_alone() {
        assert_eq!(surplus(5, 9, 0, &[wanting(0, 5)], false), 2);
        assert_eq!(surplus(3, 9, 0, &[wanting(2, 3)], true), 0);
        assert_eq!(surplus(2, 9, 0, &[wanting(3, 2)], true), 0);
        assert_eq!(surplus(5, 4, 0, &[wanting(0, 1)], false), 1);
    }

    #[test]
    fn decision_18_with_more_hosts_than_places_they_take_turns() {
        assert_eq!(surplus(1, 4, 0, &[wanting(0, 4)], false), 0);
        assert_eq!(surplus(1, 4, 0, &[wanting(0, 4)], true), 1);
    }

    /// Hosts that ask and give in any order end with shares that differ by one at most, and never have more
    /// than the cap in all.
    #[test]
    fn decision_18_any_number_of_busy_hosts_ends_level() {
        for hosts in 1..=6_usize {
            for cap in hosts..=12_usize {
                let mut held = vec![0; hosts];
                held[0] = cap;
                for round in 0..20 * hosts {
                    let me = round % hosts;
                    let others: Vec<_> = (0..hosts)
                        .filter(|other| *other != me)
                        .map(|other| wanting(held[other], cap))
                        .collect();
                    let free = cap - held.iter().sum::<usize>();
                    held[me] -= surplus(held[me], cap, free, &others, false);
                    let poorest = (0..hosts).min_by_key(|host| held[*host]).unwrap();
                    held[poorest] += cap - held.iter().sum::<usize>();
                    assert_eq!(held.iter().sum::<usize>(), cap);
                }
                let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
                assert!(most - least <= 1, "{hosts} hosts, cap {cap}: {held:?}");
            }
        }
    }
}
