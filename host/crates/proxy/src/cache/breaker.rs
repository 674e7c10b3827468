//! When to stop asking a server that does not answer.
//!
//! Pure: the time is a parameter.

use std::time::{Duration, Instant};

/// Failures in a row after which it opens.
const FAILURES: u32 = 5;
/// How long nobody asks. Then one probe may; the calls of applets go on without the server until it has
/// answered.
const OPEN_FOR: Duration = Duration::from_millis(200);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// When the next probe may be sent. `None` while it is closed.
    probe_at: Option<Instant>,
}

impl Breaker {
    /// Whether applets' calls may ask the server.
    pub(super) const fn is_closed(&self) -> bool {
        self.probe_at.is_none()
    }

    /// Whether it is time to try whether the server answers again.
    pub(super) fn may_probe(&self, now: Instant) -> bool {
        self.probe_at.is_none_or(|at| now >= at)
    }

    /// The server has answered.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The server has not answered, or not sensibly. Says whether that opened the breaker.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let was_closed = self.is_closed();
        if self.failures >= FAILURES || !was_closed {
            self.probe_at = Some(now + OPEN_FOR);
        }
        was_closed && !self.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g24_opens_after_failures_in_a_row_and_closes_with_the_first_answer() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES - 1 {
            assert!(!breaker.failed(now));
        }
        breaker.succeeded();
        for _ in 0..FAILURES - 1 {
            assert!(!breaker.failed(now), "an answer in between starts the count anew");
        }
        assert!(breaker.failed(now));
        assert!(!breaker.is_closed() && !breaker.may_probe(now));
        assert!(breaker.may_probe(now + OPEN_FOR));
        assert!(!breaker.failed(now + OPEN_FOR), "a failed probe keeps it open");
        assert!(!breaker.may_probe(now + OPEN_FOR));
        breaker.succeeded();
        assert!(breaker.is_closed());
    }
}
