//! Who has how much in the cache: answers per installation, bytes per tenant (S4.64).
//!
//! Pure: the time is a parameter. What an answer takes is given back when its time is over. A full share
//! takes no new answers; it never drops those of others.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use applet_types::{InstallationId, TenantId};

use super::key::Digest;

/// Whose an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) tenant: TenantId,
    pub(super) installation: InstallationId,
}

/// What an owner may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) entries: u64,
    pub(super) tenant_bytes: usize,
}

#[derive(Debug)]
struct Held {
    owner: Owner,
    bytes: usize,
    until: Instant,
}

/// Counts what is kept.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    held: HashMap<Digest, Held>,
    ends: BinaryHeap<Reverse<(Instant, Digest)>>,
    entries: HashMap<InstallationId, u64>,
    bytes: HashMap<TenantId, usize>,
}

impl Ledger {
    /// Notes an answer until its time is over; an answer under the same key is replaced. `false` when the
    /// owner's share is full, so that it must not be kept.
    pub(super) fn admit(
        &mut self,
        digest: Digest,
        owner: Owner,
        bytes: usize,
        share: Share,
        now: Instant,
        until: Instant,
    ) -> bool {
        self.expire(now);
        self.release(&digest);
        let entries = self.entries.get(&owner.installation).copied().unwrap_or(0);
        let held = self.bytes.get(&owner.tenant).copied().unwrap_or(0);
        if entries >= share.entries || held.saturating_add(bytes) > share.tenant_bytes {
            return false;
        }
        self.entries.insert(owner.installation, entries + 1);
        self.bytes.insert(owner.tenant, held + bytes);
        self.held.insert(digest, Held { owner, bytes, until });
        self.ends.push(Reverse((until, digest)));
        true
    }

    /// Answers and bytes counted at the moment.
    pub(super) fn totals(&mut self, now: Instant) -> (usize, usize) {
        self.expire(now);
        (self.held.len(), self.bytes.values().sum())
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn expire(&mut self, now: Instant) {
        while let Some(Reverse((until, digest))) = self.ends.peek().copied() {
            if until > now {
                break;
            }
            self.ends.pop();
            // An answer that was replaced ends later.
            if self.held.get(&digest).is_some_and(|held| held.until <= now) {
                self.release(&digest);
            }
        }
    }

    fn release(&mut self, digest: &Digest) {
        let Some(Held { owner, bytes, .. }) = self.held.remove(digest) else { return };
        if let Some(entries) = self.entries.get_mut(&owner.installation) {
            *entries = entries.saturating_sub(1);
            if *entries == 0 {
                self.entries.remove(&owner.installation);
            }
        }
        if let Some(held) = self.bytes.get_mut(&owner.tenant) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                self.bytes.remove(&owner.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::testing::{A, B};

    fn owner(tenant: TenantId, installation: u128) -> Owner {
        Owner { tenant, installation: InstallationId::new(Uuid::from_u128(installation)) }
    }

    #[test]
    fn s4_64_shares_are_per_installation_and_per_tenant_and_come_back_with_time() {
        let now = Instant::now();
        let until = now + Duration::from_secs(10);
        let share = Share { entries: 2, tenant_bytes: 100 };
        let mut ledger = Ledger::default();
        let later = until + Duration::from_secs(10);
        let mut admit = |key: u8, owner, bytes, now| {
            let until = if now < until { until } else { later };
            ledger.admit([key; 32], owner, bytes, share, now, until)
        };
        assert!(admit(1, owner(A, 1), 40, now));
        assert!(admit(2, owner(A, 1), 40, now));
        assert!(!admit(3, owner(A, 1), 1, now), "two answers are the share");
        assert!(admit(2, owner(A, 1), 20, now), "the same answer again takes no more");
        assert!(!admit(4, owner(A, 2), 41, now), "the tenant's bytes");
        assert!(admit(4, owner(A, 2), 40, now));
        assert!(admit(5, owner(B, 3), 100, now), "another tenant has its own");
        assert!(admit(6, owner(A, 1), 100, until), "everything has ended");
        assert_eq!(ledger.totals(until), (1, 100));
        assert_eq!(ledger.totals(later).0, 0);
        assert!(ledger.entries.is_empty() && ledger.bytes.is_empty() && ledger.ends.is_empty());
    }
}
