//! Installations that were looked up before, and for how long they are believed.
//!
//! *Invariant:* what is handed out was true no longer than [`BELIEVED_FOR`] ago: it was read after the
//! revision that was current then, and that revision was confirmed since. Whoever cannot be sure looks up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use applet_store::Installation;
use applet_types::{AppletId, TenantId, WorkspaceId};

/// The longest that a disabled applet or a narrowed grant goes on being served by this host.
const BELIEVED_FOR: Duration = Duration::from_millis(250);

/// Installations kept at once; beyond it the map starts over, which costs a look-up each.
const REMEMBERED: usize = 10_000;

/// Which installation.
pub type Key = (TenantId, WorkspaceId, AppletId);

/// A revision of all installations, as the store counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Revision(i64);

#[derive(Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// The last revision read, and when its reading began.
    confirmed: Option<(Revision, Instant)>,
    /// All read at that revision.
    installations: HashMap<Key, Arc<Installation>>,
}

impl Memory {
    /// The store was at `revision` at `began` or later. Another one than before ends everything remembered.
    /// Answers whether it is another one.
    pub(super) fn confirm(&self, revision: i64, began: Instant) -> bool {
        let mut inner = self.inner();
        let revision = Revision(revision);
        let changed = inner.confirmed.is_none_or(|(known, _)| known != revision);
        if changed {
            inner.installations.clear();
        }
        inner.confirmed = Some((revision, began));
        changed
    }

    /// The revision to look something up under. `None` when it is not known well enough.
    pub(super) fn revision(&self, now: Instant) -> Option<Revision> {
        self.inner().believed(now)
    }

    pub(super) fn recall(&self, key: &Key, now: Instant) -> Option<Arc<Installation>> {
        let inner = self.inner();
        inner.believed(now)?;
        inner.installations.get(key).map(Arc::clone)
    }

    /// Keeps what was looked up under `revision`, if that is still the one.
    pub(super) fn remember(&self, key: Key, revision: Revision, installation: Arc<Installation>) {
        let mut inner = self.inner();
        if inner.confirmed.is_none_or(|(known, _)| known != revision) {
            return;
        }
        if inner.installations.len() >= REMEMBERED {
            inner.installations.clear();
        }
        inner.installations.insert(key, installation);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn believed(&self, now: Instant) -> Option<Revision> {
        let (revision, since) = self.confirmed?;
        (now.saturating_duration_since(since) < BELIEVED_FOR).then_some(revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use applet_types::{ComponentDigest, Grants, InstallationId};
    use uuid::Uuid;

    fn installation() -> (Key, Arc<Installation>) {
        let applet: AppletId = "notes".parse().unwrap();
        let key = (TenantId::new(Uuid::new_v4()), WorkspaceId::new(Uuid::new_v4()), applet.clone());
        let installation = Installation {
            id: InstallationId::new(Uuid::new_v4()),
            tenant: key.0,
            workspace: key.1,
            applet,
            version: "1.0.0".parse().unwrap(),
            digest: "0".repeat(64).parse().unwrap(),
            component: ComponentDigest::of(b""),
            grants: Arc::new(Grants::builder().build()),
            limits: Arc::default(),
            variables: Arc::default(),
            generation: 1,
        };
        (key, Arc::new(installation))
    }

    #[test]
    fn s4x_7_a_new_revision_ends_what_was_remembered() {
        let (key, installation) = installation();
        let (memory, now) = (Memory::default(), Instant::now());
        assert!(memory.revision(now).is_none(), "nothing is believed before a revision was read");
        memory.confirm(1, now);
        memory.remember(key.clone(), memory.revision(now).unwrap(), installation);
        memory.confirm(1, now);
        assert!(memory.recall(&key, now).is_some());
        memory.confirm(2, now);
        assert!(memory.recall(&key, now).is_none());
    }

    #[test]
    fn s4x_7_what_was_looked_up_before_a_change_is_not_remembered_after_it() {
        let (key, installation) = installation();
        let (memory, now) = (Memory::default(), Instant::now());
        memory.confirm(1, now);
        let revision = memory.revision(now).unwrap();
        memory.confirm(2, now);
        memory.remember(key.clone(), revision, installation);
        assert!(memory.recall(&key, now).is_none());
    }

    #[test]
    fn s4x_7_without_news_nothing_is_believed_for_long() {
        let (key, installation) = installation();
        let (memory, now) = (Memory::default(), Instant::now());
        memory.confirm(1, now);
        memory.remember(key.clone(), memory.revision(now).unwrap(), installation);
        assert!(memory.recall(&key, now + BELIEVED_FOR - Duration::from_millis(1)).is_some());
        assert!(memory.recall(&key, now + BELIEVED_FOR).is_none());
        assert!(memory.revision(now + BELIEVED_FOR).is_none());
    }
}
