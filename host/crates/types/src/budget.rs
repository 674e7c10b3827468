//! What one invocation has used, and what it may use: the one place that knows.
//!
//! Everything that works for an invocation counts here. Where the invocation belongs to an installation that
//! is served, the same is charged to its [`Account`], in which all invocations of the tenant meet.
//!
//! *Invariant:* nothing is handed out that was not counted; no clock is read here, times are parameters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{Account, ErrorCode, ErrorGroup, Failure, Gauge, Limits, Resource};

/// What an invocation has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Microseconds from its begin to its end.
    pub wall_us: u64,
    /// Microseconds of the guest's CPU.
    pub cpu_us: u64,
    /// Microseconds that its statements took.
    pub database_us: u64,
    /// Bytes of linear memory that it has had.
    pub memory_bytes: u64,
    /// Statements.
    pub statements: u64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Bytes of results.
    pub bytes: u64,
    /// Calls from the guest into the host.
    pub host_calls: u64,
}

/// Counters of one invocation, shared by everything that works for it.
#[derive(Debug, Default)]
pub struct Budget {
    account: Option<Arc<dyn Account>>,
    statements: AtomicU32,
    host_calls: AtomicU32,
    /// Of the host calls, those that the account knows of.
    host_calls_charged: AtomicU32,
    result_bytes: AtomicU64,
    rows: AtomicU64,
    database_us: AtomicU64,
    cpu_us: AtomicU64,
    memory_bytes: AtomicU64,
    turned_away: AtomicBool,
}

impl Budget {
    /// The budget of an invocation whose installation has an account.
    pub fn on(account: Arc<dyn Account>) -> Self {
        Self { account: Some(account), ..Self::default() }
    }

    /// Counts a statement that nobody has judged yet.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::TooManyStatements`] or [`ErrorCode::BudgetSpent`] when the invocation has had its share;
    /// what [`Account::statement`] says otherwise.
    pub fn statement(&self, limits: &Limits, now: Instant) -> Result<(), Failure> {
        let most = limits.execution.statements;
        if self.statements.fetch_add(1, Ordering::Relaxed) >= most {
            let message = format!("an invocation may send at most {most} statements");
            return Err(Failure::new(ErrorCode::TooManyStatements, message));
        }
        if self.database_time_left(limits).is_zero() {
            let most = limits.execution.database_ms;
            let message = format!("the statements of one invocation may take at most {most} ms together");
            return Err(Failure::new(ErrorCode::BudgetSpent, message));
        }
        self.account.as_ref().map_or(Ok(()), |account| account.statement(&limits.rate, now))
    }

    /// Counts a statement that writes, once nothing else is against it.
    ///
    /// # Errors
    ///
    /// What [`Account::write`] says.
    pub fn write(&self, limits: &Limits, now: Instant) -> Result<(), Failure> {
        self.account.as_ref().map_or(Ok(()), |account| account.write(&limits.rate, now))
    }

    /// Counts a call from the guest into the host; `false` beyond `limit`.
    pub fn host_call(&self, limit: u32) -> bool {
        self.host_calls.fetch_add(1, Ordering::Relaxed) < limit
    }

    /// Counts a result's rows, those changed included, and bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::BudgetSpent`] when all results together have more than an invocation may have.
    pub fn result(&self, limits: &Limits, rows: u64, bytes: usize, now: Instant) -> Result<(), Failure> {
        let bytes = bytes as u64;
        let all_rows = self.rows.fetch_add(rows, Ordering::Relaxed).saturating_add(rows);
        let all_bytes = self.result_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if let Some(account) = &self.account {
            account.charge(Resource::Rows, rows, &limits.rate, now);
            account.charge(Resource::Bytes, bytes, &limits.rate, now);
        }
        let most = &limits.execution;
        let message = if all_bytes > most.invocation_result_bytes as u64 {
            format!("the results of one invocation may have at most {} bytes", most.invocation_result_bytes)
        } else if all_rows > most.invocation_rows {
            format!(
                "the statements of one invocation may return or change at most {} rows",
                most.invocation_rows
            )
        } else {
            return Ok(());
        };
        Err(Failure::new(ErrorCode::BudgetSpent, message))
    }

    /// Counts time that a statement took.
    pub fn database(&self, limits: &Limits, spent: Duration, now: Instant) {
        let spent = microseconds(spent);
        self.database_us.fetch_add(spent, Ordering::Relaxed);
        self.charge(Resource::Database, spent, limits, now);
    }

    /// Time that statements may still take.
    pub fn database_time_left(&self, limits: &Limits) -> Duration {
        let most = Duration::from_millis(limits.execution.database_ms);
        most.saturating_sub(Duration::from_micros(self.database_us.load(Ordering::Relaxed)))
    }

    /// Counts CPU that the guest has used since it was counted last, and with it the calls that it has made.
    pub fn cpu(&self, limits: &Limits, spent: Duration, now: Instant) {
        let spent = microseconds(spent);
        self.cpu_us.fetch_add(spent, Ordering::Relaxed);
        self.charge(Resource::Cpu, spent, limits, now);
        let calls = self.host_calls.load(Ordering::Relaxed);
        let known = self.host_calls_charged.swap(calls, Ordering::Relaxed);
        self.charge(Resource::HostCalls, calls.saturating_sub(known).into(), limits, now);
    }

    /// Says how much linear memory the guest has: it never gives any back.
    pub fn memory(&self, bytes: usize) {
        self.memory_bytes.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    /// One more, or one less, of what the installation has at this moment.
    pub fn gauge(&self, gauge: Gauge, more: bool) {
        if let Some(account) = &self.account {
            account.gauge(gauge, more);
        }
    }

    /// Takes notice of what the guest is told. A guest that then gives up may do so for a reason that lies
    /// with the host, or with the company that it keeps.
    pub fn told(&self, failure: &Failure) {
        let turned_away = match failure.code.group() {
            ErrorGroup::Unavailable | ErrorGroup::OutcomeUnknown | ErrorGroup::Internal => true,
            // What the invocation has taken up or spent itself does not come back with time; what others
            // have, or the account refuses, does.
            ErrorGroup::Busy | ErrorGroup::LimitExceeded => failure.retry_after_ms.is_some(),
            ErrorGroup::PermissionDenied
            | ErrorGroup::StatementRejected
            | ErrorGroup::InvalidArgument
            | ErrorGroup::DataError
            | ErrorGroup::ConstraintViolation
            | ErrorGroup::Conflict
            | ErrorGroup::Timeout
            | ErrorGroup::ManifestInvalid => false,
        };
        if turned_away {
            self.turned_away.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the host has failed it, or had no room for it.
    pub fn was_turned_away(&self) -> bool {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// All that it has used so far, `wall` after it began.
    pub fn usage(&self, wall: Duration) -> Usage {
        Usage {
            wall_us: microseconds(wall),
            cpu_us: self.cpu_us.load(Ordering::Relaxed),
            database_us: self.database_us.load(Ordering::Relaxed),
            memory_bytes: self.memory_bytes.load(Ordering::Relaxed),
            statements: self.statements.load(Ordering::Relaxed).into(),
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.result_bytes.load(Ordering::Relaxed),
            host_calls: self.host_calls.load(Ordering::Relaxed).into(),
        }
    }

    fn charge(&self, resource: Resource, amount: u64, limits: &Limits, now: Instant) {
        if let Some(account) = self.account.as_ref().filter(|_| amount > 0) {
            account.charge(resource, amount, &limits.rate, now);
        }
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let mut limits = Limits::default();
        limits.execution.invocation_rows = 10;
        limits.execution.invocation_result_bytes = 100;
        limits.execution.database_ms = 5;
        limits
    }

    #[test]
    fn f4_an_invocation_has_one_budget_for_rows_bytes_and_database_time() {
        let (limits, now) = (limits(), Instant::now());
        let budget = Budget::default();
        assert_eq!(budget.result(&limits, 10, 50, now), Ok(()));
        let rows = budget.result(&limits, 1, 1, now).unwrap_err();
        assert_eq!(rows.code, ErrorCode::BudgetSpent);
        assert!(rows.message.contains("at most 10 rows"), "{rows}");
        let bytes = Budget::default().result(&limits, 1, 101, now).unwrap_err();
        assert!(bytes.message.contains("at most 100 bytes"), "{bytes}");

        assert_eq!(budget.database_time_left(&limits), Duration::from_millis(5));
        budget.database(&limits, Duration::from_millis(4), now);
        assert_eq!(budget.statement(&limits, now), Ok(()));
        budget.database(&limits, Duration::from_millis(4), now);
        let time = budget.statement(&limits, now).unwrap_err();
        assert_eq!((time.code, time.retry_after_ms), (ErrorCode::BudgetSpent, None));
        assert!(time.message.contains("at most 5 ms"), "{time}");
    }

    #[test]
    fn f4_usage_says_what_was_used() {
        let (limits, now) = (limits(), Instant::now());
        let budget = Budget::default();
        budget.statement(&limits, now).unwrap();
        budget.result(&limits, 3, 40, now).unwrap();
        budget.database(&limits, Duration::from_micros(7), now);
        budget.cpu(&limits, Duration::from_micros(5), now);
        budget.memory(64);
        budget.memory(32);
        assert!(budget.host_call(1) && !budget.host_call(1));
        let expected = Usage {
            wall_us: 9,
            cpu_us: 5,
            database_us: 7,
            memory_bytes: 64,
            statements: 1,
            rows: 3,
            bytes: 40,
            host_calls: 2,
        };
        assert_eq!(budget.usage(Duration::from_micros(9)), expected);
    }

    #[test]
    fn s4x_6_only_the_host_turns_somebody_away() {
        for (code, retry, expected) in [
            (ErrorCode::TableNotAllowed, None, false),
            (ErrorCode::Syntax, None, false),
            (ErrorCode::TooManyStatements, None, false),
            (ErrorCode::BudgetSpent, None, false),
            (ErrorCode::ConnectionCap, None, false),
            (ErrorCode::StatementTimeout, None, false),
            (ErrorCode::BudgetSpent, Some(1), true),
            (ErrorCode::RateLimited, Some(1), true),
            (ErrorCode::ConnectionCap, Some(1), true),
            (ErrorCode::DatabaseUnavailable, None, true),
            (ErrorCode::Internal, None, true),
        ] {
            let budget = Budget::default();
            let mut failure = Failure::new(code, "why");
            failure.retry_after_ms = retry;
            budget.told(&failure);
            assert_eq!(budget.was_turned_away(), expected, "{code}");
        }
    }
}
