//! Answers in this process's memory, and the stamps that tell whether they still hold.
//!
//! With Redis, this is a tier in front of it whose answers are served only after Redis has confirmed their
//! stamps. Without, the stamps are counted here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use applet_types::{Outcome, SqlName, TenantId};

use super::key::{Digest, Stamp};
use super::watch::Epoch;

/// Tables whose stamps are kept before the count starts over, which costs their answers.
const MOST_TABLES: usize = 100_000;
/// What an answer takes besides its rows.
const OVERHEAD: usize = 256;

/// An answer, and the state it was read in.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) outcome: Outcome,
    pub(super) epoch: Epoch,
    pub(super) stamps: Vec<Stamp>,
    pub(super) until: Instant,
}

impl Kept {
    /// Whether it may be served in this state.
    pub(super) fn holds(&self, epoch: Epoch, stamps: &[Stamp], now: Instant) -> bool {
        self.epoch == epoch && self.stamps == stamps && now < self.until
    }
}

/// Bytes that an answer takes.
pub(super) fn size(outcome: &Outcome) -> usize {
    outcome.rows.data.len() + OVERHEAD
}

/// The answers in memory.
pub(super) struct Memory {
    answers: moka::sync::Cache<Digest, Arc<Kept>>,
}

impl Memory {
    pub(super) fn new(bytes: usize, longest: Duration) -> Self {
        let answers = moka::sync::Cache::builder()
            .weigher(|_, kept: &Arc<Kept>| u32::try_from(size(&kept.outcome)).unwrap_or(u32::MAX))
            .max_capacity(bytes as u64)
            .time_to_live(longest)
            .build();
        Self { answers }
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<Kept>> {
        self.answers.get(digest)
    }

    pub(super) fn insert(&self, digest: Digest, kept: Kept) {
        self.answers.insert(digest, Arc::new(kept));
    }

    pub(super) fn remove(&self, digest: &Digest) {
        self.answers.invalidate(digest);
    }

    pub(super) fn clear(&self) {
        self.answers.invalidate_all();
    }
}

/// Counted stamps of (tenant, table). *Invariant:* no number is given out twice.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    next: AtomicU64,
    tables: Mutex<HashMap<(TenantId, SqlName), u64>>,
}

impl Stamps {
    fn fresh(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The stamps of these tables at this moment.
    pub(super) fn of(&self, tenant: TenantId, tables: &[SqlName]) -> Vec<Stamp> {
        let mut known = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_TABLES {
            known.clear();
        }
        let mut stamp = |table: &SqlName| {
            let number = *known.entry((tenant, table.clone())).or_insert_with(|| self.fresh());
            u128::from(number).to_be_bytes()
        };
        tables.iter().map(&mut stamp).collect()
    }

    /// These tables were written. What nobody has asked for has no stamp, and gets none.
    pub(super) fn changed(&self, tenant: TenantId, tables: &[SqlName]) {
        let mut known = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        for table in tables {
            if let Entry::Occupied(mut stamp) = known.entry((tenant, table.clone())) {
                stamp.insert(self.fresh());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{A, B};

    #[test]
    fn d8_a_write_changes_the_stamps_of_its_tenant_and_tables_and_of_no_other() {
        let [clients, notes]: [SqlName; 2] = ["clients", "notes"].map(|name| name.parse().unwrap());
        let stamps = Stamps::default();
        let both = [clients.clone(), notes.clone()];
        let before = stamps.of(A, &both);
        let other = stamps.of(B, &both);
        assert_eq!(stamps.of(A, &both), before);
        stamps.changed(A, std::slice::from_ref(&clients));
        let after = stamps.of(A, &both);
        assert_ne!(after[0], before[0]);
        assert_eq!(after[1], before[1]);
        assert_eq!(stamps.of(B, &both), other);
        let all: std::collections::HashSet<_> = [before, after, other].concat().into_iter().collect();
        assert_eq!(all.len(), 5, "no stamp twice");
    }
}
