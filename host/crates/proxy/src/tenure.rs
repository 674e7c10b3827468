//! Until when this host may rely on what the database has down for it.
//!
//! *Invariant:* a tenure ends here before the lease ends there, however long the process was stopped in
//! between; one that was given up never begins again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// How long after it was asked for an extension is relied on. The lease in the database is ten seconds, from
/// a later moment; what lies between is for clocks that run apart and for a session that is just being opened.
const RELIED_ON: Duration = Duration::from_secs(7);

/// One host's, under one name.
#[derive(Debug)]
pub(crate) struct Tenure {
    host: Uuid,
    born: Instant,
    /// Milliseconds after `born`. Zero when it was given up.
    until: AtomicU64,
}

impl Tenure {
    /// A host that was entered in the database; `asked` is when.
    pub(crate) fn begin(host: Uuid, asked: Instant) -> Self {
        let tenure = Self { host, born: asked, until: AtomicU64::new(1) };
        tenure.extend(asked);
        tenure
    }

    /// The host's name in the database.
    pub(crate) const fn host(&self) -> Uuid {
        self.host
    }

    /// What its sessions are called: those of a host that is gone are found by it.
    pub(crate) fn application(&self) -> String {
        format!("applet-host {}", self.host)
    }

    /// Whether sessions may be opened and used now.
    pub(crate) fn holds(&self) -> bool {
        milliseconds(self.born.elapsed()) < self.until.load(Ordering::Acquire)
    }

    /// The lease was extended, asked for at this moment.
    pub(crate) fn extend(&self, asked: Instant) {
        let until = milliseconds(asked.saturating_duration_since(self.born) + RELIED_ON);
        // What was given up stays so.
        let _given_up = self.until.fetch_update(Ordering::AcqRel, Ordering::Acquire, |known| {
            (known != 0).then(|| known.max(until))
        });
    }

    /// Gives it up for good.
    pub(crate) fn end(&self) {
        self.until.store(0, Ordering::Release);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_18_a_tenure_ends_by_itself_and_for_good_when_given_up() {
        let now = Instant::now();
        let tenure = Tenure::begin(Uuid::nil(), now);
        assert!(tenure.holds());
        let long_ago = now - RELIED_ON - Duration::from_secs(1);
        let over = Tenure::begin(Uuid::nil(), long_ago);
        assert!(!over.holds(), "a process that was stopped finds out by its own clock");
        over.extend(now);
        assert!(over.holds(), "nobody has taken its place yet");
        over.end();
        over.extend(now);
        assert!(!over.holds());
    }
}
