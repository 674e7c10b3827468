//! Taking turns: what keeps one applet, or one tenant of an applet, from starving the others wherever there
//! are fewer places than callers.
//!
//! Three rules, used by the pool of sessions and by that of instances alike: who waits is served in turn
//! ([`Turns`]); who has much leaves room ([`leaves_room`]); and the last place of an applet is kept for a
//! tenant that has none, as long as it has several ([`Mixture`]).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::TenantId;

/// Whether somebody who has `own` places may take one more when `free` are left. Whoever floods stops while
/// there is still room for those who have less; one alone gets more than it is ever allowed.
pub const fn leaves_room(own: usize, free: usize) -> bool {
    own < free
}

/// Who waits, by key. Keys are served in turn, and within a key whoever came first.
#[derive(Debug)]
pub struct Turns<K, T> {
    lanes: VecDeque<(K, VecDeque<T>)>,
    len: usize,
}

impl<K, T> Default for Turns<K, T> {
    fn default() -> Self {
        Self { lanes: VecDeque::new(), len: 0 }
    }
}

impl<K: Clone + PartialEq, T> Turns<K, T> {
    /// How many wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many keys have somebody waiting.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// How many wait for each key, the next in turn first.
    pub fn counts(&self) -> impl Iterator<Item = (&K, usize)> {
        self.lanes.iter().map(|(key, lane)| (key, lane.len()))
    }

    /// Puts somebody behind what its key has waiting; a key that had nobody is last in turn.
    pub fn push(&mut self, key: K, item: T) {
        self.len += 1;
        match self.lanes.iter_mut().find(|(known, _)| *known == key) {
            Some((_, lane)) => lane.push_back(item),
            None => self.lanes.push_back((key, VecDeque::from([item]))),
        }
    }

    /// The first of the key that is `position`th in turn.
    pub fn peek(&self, position: usize) -> Option<&T> {
        self.lanes.get(position).and_then(|(_, lane)| lane.front())
    }

    /// Takes the first of the key that is `position`th in turn; the key's next turn comes after all others'.
    pub fn take(&mut self, position: usize) -> Option<T> {
        let (key, mut lane) = self.lanes.remove(position)?;
        let item = lane.pop_front();
        self.len -= usize::from(item.is_some());
        if !lane.is_empty() {
            self.lanes.push_back((key, lane));
        }
        item
    }

    /// Lets whoever matches go, wherever they stand.
    pub fn remove(&mut self, mut matches: impl FnMut(&T) -> bool) {
        self.lanes.retain_mut(|(_, lane)| {
            lane.retain(|item| !matches(item));
            !lane.is_empty()
        });
        self.len = self.lanes.iter().map(|(_, lane)| lane.len()).sum();
    }

    /// Lets everybody of a key go.
    pub fn forget(&mut self, key: &K) {
        if let Some(position) = self.lanes.iter().position(|(known, _)| known == key)
            && let Some((_, lane)) = self.lanes.remove(position)
        {
            self.len -= lane.len();
        }
    }

    /// Makes room for one of `key` in a full queue: the last of whoever has the longest lane has to go, if
    /// that lane is longer than the key's own would be. So a flood is refused before anybody else is.
    pub fn make_room(&mut self, key: &K) -> Option<T> {
        let own = self.counts().find(|(known, _)| *known == key).map_or(0, |(_, count)| count);
        let (_, longest) = self.lanes.iter_mut().max_by_key(|(_, lane)| lane.len())?;
        if longest.len() <= own + 1 {
            return None;
        }
        self.len -= 1;
        longest.pop_back()
    }
}

/// How long after another tenant's call an applet counts as shared by several.
const MIXED_FOR: Duration = Duration::from_secs(60);

/// Whether several tenants use an applet these days. One that serves a single tenant need keep nothing free
/// for others.
#[derive(Debug, Default, Clone, Copy)]
pub struct Mixture {
    last: Option<TenantId>,
    mixed_until: Option<Instant>,
}

impl Mixture {
    /// Takes note of a call.
    pub fn saw(&mut self, tenant: TenantId, now: Instant) {
        if self.last.is_some_and(|last| last != tenant) {
            self.mixed_until = Some(now + MIXED_FOR);
        }
        self.last = Some(tenant);
    }

    /// Whether the last place has to be kept for a tenant that has none.
    pub fn is_mixed(&self, now: Instant) -> bool {
        self.mixed_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(turns: &mut Turns<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| turns.take(0)).collect()
    }

    #[test]
    fn s4_61_keys_are_served_in_turn_and_a_key_by_arrival() {
        let mut turns = Turns::default();
        for (key, item) in [('a', 1), ('a', 2), ('a', 3), ('b', 10), ('c', 20), ('b', 11)] {
            turns.push(key, item);
        }
        assert_eq!((turns.len(), turns.lanes()), (6, 3));
        assert_eq!(served(&mut turns), [1, 10, 20, 2, 11, 3]);
        assert!(turns.is_empty());
    }

    #[test]
    fn s4_61_a_full_queue_lets_the_flood_go_first() {
        let mut turns = Turns::default();
        (0..5).for_each(|item| turns.push('a', item));
        assert_eq!(turns.make_room(&'a'), None, "the flood makes no room for itself");
        assert_eq!(turns.make_room(&'b'), Some(4));
        turns.push('b', 10);
        assert_eq!(turns.make_room(&'b'), Some(3));
        turns.push('b', 11);
        assert_eq!(turns.make_room(&'b'), None, "as much as the other, and no more");
        turns.remove(|item| *item == 1);
        assert_eq!(served(&mut turns), [0, 10, 2, 11]);
    }

    #[test]
    fn s4_61_whoever_has_much_leaves_room() {
        let mut own = [0_usize; 8];
        for _ in 0..100 {
            for applet in 0..own.len() {
                let free = 64 - own.iter().sum::<usize>();
                own[applet] += usize::from(own[applet] < 8 && leaves_room(own[applet], free));
            }
        }
        assert!(own.iter().all(|count| *count >= 7), "{own:?}");
        assert!(own.iter().sum::<usize>() <= 58, "{own:?}");
    }

    #[test]
    fn s4_61_an_applet_of_several_tenants_is_known_as_such_for_a_while() {
        let tenants = [1, 2].map(|number| TenantId::new(uuid::Uuid::from_u128(number)));
        let mut mixture = Mixture::default();
        let now = Instant::now();
        mixture.saw(tenants[0], now);
        mixture.saw(tenants[0], now);
        assert!(!mixture.is_mixed(now));
        mixture.saw(tenants[1], now);
        assert!(mixture.is_mixed(now) && !mixture.is_mixed(now + MIXED_FOR));
    }
}
