//! What all applets of a tenant use together (F4).
//!
//! A running invocation is never ended for it, it has a budget of its own. But while anything is owed, the
//! tenant's applets get no further statement and no further invocation.

use std::time::Duration;

use applet_types::{ErrorCode, Failure, Resource, TenantLimits};

use crate::bucket::{Bucket, Moment, Rate};
use crate::reading::BudgetReading;

/// One budget: what it is charged for, and what the operator knows it as.
struct Kind {
    resource: Resource,
    /// In the unit that is charged.
    per_minute: fn(&TenantLimits) -> u64,
    limit: &'static str,
    words: &'static str,
}

const KINDS: [Kind; 6] = [
    Kind {
        resource: Resource::Cpu,
        per_minute: |limits| limits.cpu_ms_per_minute.saturating_mul(1_000),
        limit: "cpu_ms_per_minute",
        words: "CPU time",
    },
    Kind {
        resource: Resource::Database,
        per_minute: |limits| limits.database_ms_per_minute.saturating_mul(1_000),
        limit: "database_ms_per_minute",
        words: "database time",
    },
    Kind {
        resource: Resource::Rows,
        per_minute: |limits| limits.rows_per_minute,
        limit: "rows_per_minute",
        words: "rows",
    },
    Kind {
        resource: Resource::Bytes,
        per_minute: |limits| limits.bytes_per_minute,
        limit: "bytes_per_minute",
        words: "bytes of results",
    },
    Kind {
        resource: Resource::Statements,
        per_minute: |limits| limits.statements_per_minute,
        limit: "statements_per_minute",
        words: "statements",
    },
    Kind {
        resource: Resource::HostCalls,
        per_minute: |limits| limits.host_calls_per_minute,
        limit: "host_calls_per_minute",
        words: "calls into the host",
    },
];

#[derive(Debug, Default)]
pub(crate) struct TenantAccount {
    /// In the order of [`KINDS`].
    buckets: [Bucket; KINDS.len()],
}

impl TenantAccount {
    pub(crate) fn charge(&self, resource: Resource, amount: u64, limits: &TenantLimits, now: Moment) {
        for (kind, bucket) in KINDS.iter().zip(&self.buckets).filter(|(kind, _)| kind.resource == resource) {
            bucket.charge(amount, Rate::per_minute((kind.per_minute)(limits)), now);
        }
    }

    /// Whether nothing is owed. What is owed longest is told.
    pub(crate) fn solvent(&self, limits: &TenantLimits, now: Moment) -> Result<(), Failure> {
        let owed = KINDS.iter().zip(&self.buckets).filter_map(|(kind, bucket)| {
            Some((bucket.owed(Rate::per_minute((kind.per_minute)(limits)), now)?, kind))
        });
        let Some((wait, kind)) = owed.max_by_key(|(wait, _)| *wait) else { return Ok(()) };
        let message = format!("the applets of this tenant have used up their {} per minute", kind.words);
        let hint = format!("wait, or have the operator raise `limits.tenant.{}`", kind.limit);
        Err(Failure::new(ErrorCode::BudgetSpent, message).hint(hint).retry_after_ms(whole_ms(wait)))
    }

    pub(crate) fn is_at_rest(&self, now: Moment) -> bool {
        self.buckets.iter().all(|bucket| bucket.is_full(now))
    }

    pub(crate) fn reading(&self, limits: &TenantLimits, now: Moment) -> Vec<BudgetReading> {
        let budgets = KINDS.iter().zip(&self.buckets).map(|(kind, bucket)| {
            let per_minute = (kind.per_minute)(limits);
            let left = bucket.left(Rate::per_minute(per_minute), now);
            BudgetReading { resource: kind.resource, per_minute, left }
        });
        budgets.collect()
    }
}

/// Rounded up: who comes back then is not sent away again for a fraction.
pub(crate) fn whole_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn f4_each_budget_of_a_tenant_is_its_own_and_comes_back_with_time() {
        let limits = TenantLimits::default();
        for kind in &KINDS {
            let account = TenantAccount::default();
            let per_minute = (kind.per_minute)(&limits);
            account.charge(kind.resource, per_minute, &limits, 0);
            assert_eq!(account.solvent(&limits, 0), Ok(()), "{}", kind.limit);
            account.charge(kind.resource, per_minute / 60, &limits, 0);
            let refused = account.solvent(&limits, 0).unwrap_err();
            assert_eq!((refused.code, refused.retry_after_ms), (ErrorCode::BudgetSpent, Some(1_000)));
            assert!(refused.hint.as_ref().is_some_and(|hint| hint.contains(kind.limit)), "{refused:?}");
            assert_eq!(account.solvent(&limits, SECOND), Ok(()), "{}", kind.limit);
            let spent = |reading: &BudgetReading| reading.left < reading.per_minute;
            assert_eq!(account.reading(&limits, 0).iter().filter(|reading| spent(reading)).count(), 1);
            assert!(!account.is_at_rest(60 * SECOND) && account.is_at_rest(61 * SECOND));
        }
    }

    #[test]
    fn f4_what_takes_longest_is_told() {
        let limits = TenantLimits::default();
        let account = TenantAccount::default();
        account.charge(Resource::Rows, limits.rows_per_minute * 2, &limits, 0);
        account.charge(Resource::Cpu, limits.cpu_ms_per_minute * 1_000 * 3, &limits, 0);
        let refused = account.solvent(&limits, 0).unwrap_err();
        assert_eq!(refused.retry_after_ms, Some(120_000));
        assert!(refused.message.contains("CPU time"), "{refused}");
    }
}
