//! A token bucket in one number: the time at which the bucket is full again (the "generic cell rate
//! algorithm"). Taking and looking are one atomic exchange; nothing has to tick.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since the accounts were opened.
pub(crate) type Moment = u64;

/// How fast a bucket fills, and how much it holds. A parameter, not part of the bucket: limits may be
/// lowered between two calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// So many tokens come back …
    amount: u64,
    /// … in so many nanoseconds, evenly.
    period: u64,
    /// Nanoseconds of coming back that fit in.
    depth: u64,
}

impl Rate {
    /// So many a second; twice as many at once after a pause.
    pub(crate) const fn per_second(amount: u64) -> Self {
        Self { amount, period: SECOND, depth: 2 * SECOND }
    }

    /// So many a minute, all of them at once after a pause.
    pub(crate) const fn per_minute(amount: u64) -> Self {
        Self { amount, period: 60 * SECOND, depth: 60 * SECOND }
    }

    /// How long `tokens` take to come back: rounded up, so that nothing is free. A rate of nothing never
    /// gives any back.
    fn time_for(self, tokens: u64) -> u64 {
        let exact = u128::from(tokens) * u128::from(self.period);
        exact
            .checked_add(u128::from(self.amount).saturating_sub(1))
            .and_then(|sum| sum.checked_div(u128::from(self.amount)))
            .and_then(|time| u64::try_from(time).ok())
            .unwrap_or(u64::MAX)
    }
}

/// Full when it is made.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    full_at: AtomicU64,
}

impl Bucket {
    /// Takes tokens if they are there; otherwise says how long until they are.
    pub(crate) fn take(&self, tokens: u64, rate: Rate, now: Moment) -> Result<(), Duration> {
        let cost = rate.time_for(tokens);
        let taken = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let after = full_at.max(now).saturating_add(cost);
            (after - now <= rate.depth).then_some(after)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(full_at) => {
                let after = full_at.max(now).saturating_add(cost);
                Err(Duration::from_nanos((after - now).saturating_sub(rate.depth)))
            }
        }
    }

    /// Takes tokens that were used already, whether they are there or not.
    pub(crate) fn charge(&self, tokens: u64, rate: Rate, now: Moment) {
        let cost = rate.time_for(tokens);
        // The closure never refuses, so neither does this.
        let _updated = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(full_at.max(now).saturating_add(cost))
        });
    }

    /// How long until nothing is owed. `None` when nothing is.
    pub(crate) fn owed(&self, rate: Rate, now: Moment) -> Option<Duration> {
        let owed = self.emptied(now).checked_sub(rate.depth)?;
        (owed > 0).then(|| Duration::from_nanos(owed))
    }

    /// Tokens that are there.
    pub(crate) fn left(&self, rate: Rate, now: Moment) -> u64 {
        let left = u128::from(rate.depth.saturating_sub(self.emptied(now))) * u128::from(rate.amount);
        u64::try_from(left / u128::from(rate.period)).unwrap_or(u64::MAX)
    }

    /// Whether it is as it was made.
    pub(crate) fn is_full(&self, now: Moment) -> bool {
        self.emptied(now) == 0
    }

    /// Nanoseconds of coming back that are missing.
    fn emptied(&self, now: Moment) -> u64 {
        self.full_at.load(Ordering::Relaxed).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn s4x_5_twice_a_seconds_worth_at_once_and_then_the_rate() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(50));
        for _ in 0..100 {
            assert_eq!(bucket.take(1, rate, 0), Ok(()));
        }
        assert_eq!(bucket.take(1, rate, 0), Err(Duration::from_millis(20)));
        assert_eq!(bucket.take(1, rate, 19 * MS), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(1, rate, 20 * MS), Ok(()));
        let granted = (0..1_000).filter(|_| bucket.take(1, rate, 1_020 * MS).is_ok()).count();
        assert_eq!(granted, 50, "a second gives back a second's worth");
        let granted = (0..1_000).filter(|_| bucket.take(1, rate, 3_600 * SECOND).is_ok()).count();
        assert_eq!(granted, 100, "an hour's pause saves up no more than two seconds");
    }

    #[test]
    fn s4x_5_what_was_used_beyond_is_owed_and_paid_off_by_time() {
        let (bucket, rate) = (Bucket::default(), Rate::per_minute(60));
        bucket.charge(60, rate, 0);
        assert_eq!((bucket.owed(rate, 0), bucket.left(rate, 0)), (None, 0));
        bucket.charge(5, rate, 0);
        assert_eq!(bucket.owed(rate, 0), Some(Duration::from_secs(5)));
        assert_eq!(bucket.owed(rate, 4 * SECOND), Some(Duration::from_secs(1)));
        assert_eq!(bucket.owed(rate, 5 * SECOND), None);
        assert_eq!(bucket.left(rate, 35 * SECOND), 30);
        assert!(!bucket.is_full(64 * SECOND) && bucket.is_full(65 * SECOND));
    }

    #[test]
    fn s4x_5_a_lowered_rate_counts_at_once_and_a_clock_that_stands_still_gives_nothing() {
        let bucket = Bucket::default();
        for _ in 0..50 {
            bucket.take(1, Rate::per_second(50), 0).unwrap();
        }
        assert!(bucket.take(1, Rate::per_second(1), 0).is_ok(), "one second of two is left");
        assert!(bucket.take(1, Rate::per_second(1), 0).is_err());
        assert!(bucket.take(1, Rate::per_second(0), 0).is_err());
        assert_eq!(Rate::per_second(0).time_for(1), u64::MAX);
        bucket.charge(u64::MAX, Rate::per_minute(1), 0);
        assert_eq!(bucket.left(Rate::per_minute(1), 0), 0);
    }

    #[test]
    fn s4x_5_no_rounding_makes_a_byte_free() {
        let (bucket, rate) = (Bucket::default(), Rate::per_minute(1 << 40));
        bucket.charge(1, rate, 0);
        assert!(!bucket.is_full(0));
    }

    #[test]
    fn s4x_5_racing_takers_get_no_more_than_there_is() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(100));
        let granted: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1_000).filter(|_| bucket.take(1, rate, 7).is_ok()).count()))
                .collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(granted, 200);
    }
}
