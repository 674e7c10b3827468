//! Calls that are running, so that they can be ended when their installation is switched off.
//!
//! *Invariant:* a call is known here before its installation is looked up. So whoever ends what runs after a
//! change became visible misses nobody: a call that is not here yet will see the change.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::memory::Key;

/// All of them, by installation.
#[derive(Default)]
pub(super) struct Running(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    groups: HashMap<Key, Group>,
    /// How many groups there were.
    begun: u64,
}

/// Calls of one installation that are ended together.
struct Group {
    number: u64,
    calls: usize,
    end: watch::Sender<bool>,
}

/// One call that runs. It counts as running until this is dropped.
pub(super) struct Call<'a> {
    running: &'a Running,
    key: Key,
    group: u64,
    end: watch::Receiver<bool>,
}

impl Running {
    pub(super) fn begin(&self, key: Key) -> Call<'_> {
        let mut inner = self.inner();
        let Inner { groups, begun } = &mut *inner;
        let group = groups.entry(key.clone()).or_insert_with(|| {
            *begun += 1;
            Group { number: *begun, calls: 0, end: watch::Sender::default() }
        });
        group.calls += 1;
        Call { running: self, key, group: group.number, end: group.end.subscribe() }
    }

    /// The installations of which calls run.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.inner().groups.keys().cloned().collect()
    }

    /// Ends the calls of an installation that run now. Later ones are not concerned.
    pub(super) fn end(&self, key: &Key) {
        if let Some(group) = self.inner().groups.remove(key) {
            group.end.send_replace(true);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call<'_> {
    /// Waits until the call is to end.
    pub(super) async fn ended(&self) {
        // The sender stays until the group has ended or this call is over, so an error means the same.
        let mut end = self.end.clone();
        let _ended = end.wait_for(|ended| *ended).await;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut inner = self.running.inner();
        let Some(group) = inner.groups.get_mut(&self.key).filter(|group| group.number == self.group) else {
            return;
        };
        group.calls -= 1;
        if group.calls == 0 {
            inner.groups.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use applet_types::{TenantId, WorkspaceId};
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> Key {
        let id = Uuid::from_u128(number);
        (TenantId::new(id), WorkspaceId::new(id), "notes".parse().unwrap())
    }

    fn has_ended(call: &Call<'_>) -> bool {
        *call.end.borrow()
    }

    #[tokio::test]
    async fn s4x_7_calls_of_one_installation_are_ended_and_no_others() {
        let running = Running::default();
        let (one, two, other) = (running.begin(key(1)), running.begin(key(1)), running.begin(key(2)));
        running.end(&key(1));
        one.ended().await;
        two.ended().await;
        assert!(!has_ended(&other));
        // Switched on again, later calls run.
        let later = running.begin(key(1));
        assert!(!has_ended(&later));
        drop((one, two));
        assert_eq!(running.keys().len(), 2);
    }

    #[test]
    fn s4x_7_calls_that_are_over_are_forgotten() {
        let running = Running::default();
        let (one, two) = (running.begin(key(1)), running.begin(key(1)));
        drop(one);
        assert_eq!(running.keys(), [key(1)]);
        drop(two);
        assert!(running.keys().is_empty());
    }
}
