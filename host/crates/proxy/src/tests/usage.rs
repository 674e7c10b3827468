//! What statements cost, and accounts that refuse them (S4x.5, F4), on a real PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_accounts::{Accounts, InstallationReading};
use applet_types::{
    BreakerLimits, Budget, Database, Encoding, ErrorCode, Failure, Invocation, Limits, Outcome, TenantLimits,
};

use super::proxied::{Bench, call, statement};
use crate::testing::A;

/// Calls of one installation, whose budgets are all on its account.
struct Installation {
    bench: Bench,
    accounts: Accounts,
    limits: Arc<Limits>,
}

impl Installation {
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let accounts = Accounts::new(TenantLimits::default(), BreakerLimits::default(), Instant::now());
        Self { bench: Bench::new(), accounts, limits: Arc::new(limits) }
    }

    fn call(&self) -> Invocation {
        let mut call = call(A);
        call.limits = Arc::clone(&self.limits);
        let admitted = self.accounts.admit(&call, Instant::now()).unwrap();
        call.budget = Arc::new(Budget::on(admitted.account()));
        call
    }

    async fn query(&self, call: &Invocation, sql: &str) -> Result<Outcome, Failure> {
        self.bench.proxy.query(call, &statement(sql, &[]), Encoding::Json).await
    }

    fn reading(&self) -> InstallationReading {
        self.accounts.reading(Instant::now()).installations.remove(0)
    }
}

const INSERT: &str = "INSERT INTO clients (name) VALUES ('new')";
const SLOW: &str =
    "SELECT count(*) FROM clients a JOIN clients b ON true JOIN clients c ON true JOIN clients d ON true";

#[tokio::test]
async fn s4x_5_all_invocations_of_an_installation_share_its_statements_per_minute() {
    let installation = Installation::new(|limits| limits.rate.queries_per_minute = 3);
    installation.query(&installation.call(), "SELECT 1").await.unwrap();
    let rejected = installation.query(&installation.call(), "SELECT 1; SELECT 2").await.unwrap_err();
    assert_eq!(rejected.code, ErrorCode::MultiStatement, "what the gate refuses has cost a token");
    installation.query(&installation.call(), "SELECT 1").await.unwrap();
    let refused = installation.query(&installation.call(), "SELECT 1").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited);
    assert!(refused.retry_after_ms.is_some_and(|wait| wait <= 20_000), "{refused:?}");
    let counts = installation.reading().counts;
    assert_eq!((counts.statements, counts.refused_statements), (3, 1));
}

#[tokio::test]
async fn s4x_5_writes_have_a_rate_of_their_own_and_a_refused_one_changes_nothing() {
    let installation = Installation::new(|limits| limits.rate.writes_per_second = 1);
    let call = installation.call();
    let mut refused = None;
    let (mut written, began) = (0, Instant::now());
    while refused.is_none() {
        match installation.query(&installation.call(), INSERT).await {
            Ok(_) => written += 1,
            Err(failure) => refused = Some(failure),
        }
    }
    assert_eq!(refused.map(|failure| failure.code), Some(ErrorCode::RateLimited));
    assert!(written <= 2 + began.elapsed().as_secs() + 1, "{written}");
    assert_eq!(installation.bench.count("name = 'new'"), written.to_string());
    installation.query(&call, "SELECT 1").await.unwrap();

    let batch: Vec<_> = (0..3).map(|_| statement(INSERT, &[])).collect();
    let refused = installation.bench.proxy.batch(&call, &batch, Encoding::Json).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited);
    assert_eq!(installation.bench.count("name = 'new'"), written.to_string());
}

#[tokio::test]
async fn s4x_5_rows_that_were_read_and_changed_are_owed() {
    let installation = Installation::new(|limits| limits.rate.rows_per_minute = 60);
    installation.query(&installation.call(), "SELECT id FROM clients").await.unwrap();
    installation.query(&installation.call(), "UPDATE clients SET age = 1").await.unwrap();
    let refused = installation.query(&installation.call(), "SELECT 1").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited);
    assert!(refused.message.contains("rows per minute"), "{refused}");
    assert_eq!(installation.reading().counts.rows, 100);
}

#[tokio::test]
async fn f4_database_time_left_bounds_a_statement_and_then_there_is_none() {
    let installation = Installation::new(|limits| limits.execution.database_ms = 50);
    let call = installation.call();
    let slow = installation.query(&call, SLOW).await.unwrap_err();
    assert_eq!(slow.code, ErrorCode::StatementTimeout);
    let spent = installation.query(&call, "SELECT 1").await.unwrap_err();
    assert_eq!((spent.code, spent.retry_after_ms), (ErrorCode::BudgetSpent, None));
    installation.query(&installation.call(), "SELECT 1").await.unwrap();
    assert!(installation.reading().counts.database_us >= 50_000);
}

/// A guest that is dropped in the middle of a statement has used the database all the same.
#[tokio::test]
async fn f4_a_dropped_statement_has_cost_its_time_and_gives_its_session_back() {
    let installation = Installation::new(|_| {});
    let call = installation.call();
    let dropped = tokio::time::timeout(Duration::from_millis(200), installation.query(&call, SLOW)).await;
    assert!(dropped.is_err(), "{dropped:?}");
    let reading = installation.reading();
    assert!(reading.counts.database_us > 0);
    assert_eq!((reading.sessions_in_use, reading.sessions_waiting), (0, 0));
    assert_eq!(call.budget.usage(Duration::ZERO).database_us, reading.counts.database_us);
}

#[tokio::test]
async fn f4_a_transaction_shows_as_a_session_in_use_until_it_ends() {
    let installation = Installation::new(|_| {});
    let call = installation.call();
    let mut transaction = installation.bench.proxy.begin(&call).await.unwrap();
    transaction.query(&statement(INSERT, &[]), Encoding::Json).await.unwrap();
    assert_eq!(installation.reading().sessions_in_use, 1);
    transaction.commit().await.unwrap();
    assert_eq!(installation.reading().sessions_in_use, 0);
    let usage = call.budget.usage(Duration::ZERO);
    assert_eq!((usage.statements, usage.rows), (1, 1));
    assert!(usage.database_us > 0);
}

#[tokio::test]
async fn f4_rows_of_an_invocation_have_a_budget_and_a_write_beyond_it_is_undone() {
    let installation = Installation::new(|limits| limits.execution.invocation_rows = 60);
    let call = installation.call();
    installation.query(&call, "SELECT id FROM clients").await.unwrap();
    let spent = installation.query(&call, "UPDATE clients SET age = 77").await.unwrap_err();
    assert_eq!((spent.code, spent.retry_after_ms), (ErrorCode::BudgetSpent, None));
    assert_eq!(installation.bench.count("age = 77"), "0");
}
