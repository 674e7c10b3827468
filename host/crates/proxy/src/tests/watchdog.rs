//! Transactions that a guest leaves idle, or open for too long: ended by the host, without the guest's help.

use std::sync::Arc;

use applet_types::{Database, Encoding, ErrorCode, ExecutionLimits, Invocation, Limits};

use super::faults::until;
use super::proxied::{Bench, call, statement, text};
use crate::testing::A;

const INSERT: &str = "INSERT INTO clients (name) VALUES ('left')";
const IN_TRANSACTION: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                              AND state LIKE 'idle in transaction%'";

fn limited(change: impl FnOnce(&mut ExecutionLimits)) -> Invocation {
    let mut limits = Limits::default();
    change(&mut limits.execution);
    let mut call = call(A);
    call.limits = Arc::new(limits);
    call
}

#[tokio::test]
async fn s4_61_an_idle_transaction_is_rolled_back_and_its_permit_freed_without_the_guest() {
    let bench = Bench::with(|config| config.limits.sessions_per_applet = 1);
    let caller = limited(|limits| limits.idle_in_transaction_ms = 100);
    let mut open = bench.proxy.begin(&caller).await.unwrap();
    open.query(&statement(INSERT, &[]), Encoding::Json).await.unwrap();
    assert_eq!(bench.proxy.status().in_use, 1);

    // The guest does not call. A neighbour of the same applet gets the only session.
    until("the permit is freed", || bench.proxy.status().in_use == 0).await;
    assert_eq!(bench.database.sql(IN_TRANSACTION), "0");
    assert_eq!(bench.proxy.status().open, 1, "the session is kept");
    let neighbour = bench.proxy.query(&call(A), &statement(INSERT, &[]), Encoding::Json).await.unwrap();
    assert_eq!((neighbour.affected, bench.count("name = 'left'").as_str()), (1, "1"));

    let failure = open.query(&statement(INSERT, &[]), Encoding::Json).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::StatementTimeout);
    assert!(failure.message.contains("idle for more than 100 ms"), "{}", failure.message);

    // The same invocation may begin anew while it still has the old one in its hands.
    let mut again = bench.proxy.begin(&caller).await.unwrap();
    again.query(&statement(INSERT, &[]), Encoding::Json).await.unwrap();
    again.commit().await.unwrap();
    assert_eq!(open.commit().await.unwrap_err().code, ErrorCode::StatementTimeout);
    assert_eq!(bench.count("name = 'left'"), "2");
}

#[tokio::test]
async fn s4_61_a_transaction_that_never_begins_its_work_holds_no_permit_either() {
    let bench = Bench::new();
    let caller = limited(|limits| limits.idle_in_transaction_ms = 50);
    let open = bench.proxy.begin(&caller).await.unwrap();
    until("the permit is freed", || bench.proxy.status().in_use == 0).await;
    open.rollback().await.unwrap();
}

#[tokio::test]
async fn s4_61_a_transaction_is_ended_when_it_is_open_for_too_long_however_busy() {
    let bench = Bench::new();
    let caller = limited(|limits| {
        limits.transaction_ms = 300;
        limits.statements = u32::MAX;
        limits.invocation_result_bytes = usize::MAX;
        limits.invocation_rows = u64::MAX;
    });
    let mut busy = bench.proxy.begin(&caller).await.unwrap();
    let failure = loop {
        let ran = busy.query(&statement("SELECT id FROM clients", &[]), Encoding::Json).await;
        if let Err(failure) = ran {
            break failure;
        }
    };
    assert_eq!(failure.code, ErrorCode::StatementTimeout);
    drop(busy);

    let mut idle = bench.proxy.begin(&caller).await.unwrap();
    idle.query(&statement(INSERT, &[]), Encoding::Json).await.unwrap();
    until("the permit is freed", || bench.proxy.status().in_use == 0).await;
    assert_eq!(bench.database.sql(IN_TRANSACTION), "0");
    let failure = idle.commit().await.unwrap_err();
    assert!(failure.message.contains("open for more than 300 ms"), "{}", failure.message);
    assert_eq!(bench.count("name = 'left'"), "0");
}

/// A statement that takes longer than the idle limit is not idle: here, one that waits for a lock.
#[tokio::test]
async fn s4_61_a_running_statement_is_not_idle() {
    let bench = Bench::new();
    let update = |id: i64| {
        let mail = text(&format!("{id}@example.com"));
        statement("UPDATE clients SET age = 5 WHERE email = $1", &[mail])
    };
    let mut holder = bench.proxy.begin(&call(A)).await.unwrap();
    holder.query(&update(1), Encoding::Json).await.unwrap();
    let caller = limited(|limits| {
        limits.idle_in_transaction_ms = 50;
        limits.lock_timeout_ms = 400;
    });
    let mut waiter = bench.proxy.begin(&caller).await.unwrap();
    let failure = waiter.query(&update(1), Encoding::Json).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::LockTimeout);
    holder.commit().await.unwrap();
}
