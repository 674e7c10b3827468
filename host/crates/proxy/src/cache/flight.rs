//! One query at a time for one key: whoever asks for the same meanwhile waits for its answer (G26).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::key::Digest;

/// How a flight stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Under way.
    Flying,
    /// Its answer is in the cache.
    Landed,
    /// It came to nothing; somebody else may try.
    Lost,
    /// It has an answer that the cache does not take.
    Declined,
}

type Flying = Arc<Mutex<HashMap<Digest, watch::Receiver<Stage>>>>;

/// The queries under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Flying);

/// What somebody who missed the cache does next.
#[derive(Debug)]
pub(super) enum Part {
    /// Runs the query.
    Lead(Lead),
    /// Waits for whoever does.
    Follow(Follow),
}

/// The one who runs the query. Dropped before it has landed, it lets one of its followers try.
#[derive(Debug)]
pub(super) struct Lead {
    flights: Flights,
    digest: Digest,
    stage: watch::Sender<Stage>,
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Follow(watch::Receiver<Stage>);

impl Flights {
    pub(super) fn join(&self, digest: Digest) -> Part {
        let mut flying = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match flying.entry(digest) {
            Entry::Occupied(entry) => Part::Follow(Follow(entry.get().clone())),
            Entry::Vacant(entry) => {
                let (stage, receiver) = watch::channel(Stage::Flying);
                entry.insert(receiver);
                Part::Lead(Lead { flights: self.clone(), digest, stage })
            }
        }
    }
}

impl Lead {
    /// The answer is in the cache.
    pub(super) fn land(self) {
        self.stage.send_replace(Stage::Landed);
    }

    /// The cache does not take the answer: whoever waits for it asks the database.
    pub(super) fn decline(self) {
        self.stage.send_replace(Stage::Declined);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut flying = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        flying.remove(&self.digest);
        drop(flying);
        if *self.stage.borrow() == Stage::Flying {
            self.stage.send_replace(Stage::Lost);
        }
    }
}

impl Follow {
    /// Waits for the end of the flight.
    pub(super) async fn end(mut self) -> Stage {
        self.0.wait_for(|stage| *stage != Stage::Flying).await.map_or(Stage::Lost, |stage| *stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn g26_followers_wait_for_the_leader_and_a_lost_leader_fails_nobody() {
        let flights = Flights::default();
        for end in [Stage::Landed, Stage::Lost, Stage::Declined] {
            let Part::Lead(lead) = flights.join([1; 32]) else { panic!("nobody flies yet") };
            let followers: Vec<_> = (0..10)
                .map(|_| match flights.join([1; 32]) {
                    Part::Follow(follow) => tokio::spawn(follow.end()),
                    Part::Lead(_) => panic!("one leads"),
                })
                .collect();
            assert!(matches!(flights.join([2; 32]), Part::Lead(_)), "another key is another flight");
            match end {
                Stage::Landed => lead.land(),
                Stage::Declined => lead.decline(),
                Stage::Flying | Stage::Lost => drop(lead),
            }
            for follower in followers {
                assert_eq!(follower.await.unwrap(), end);
            }
        }
        assert!(flights.0.lock().unwrap().is_empty());
    }
}
