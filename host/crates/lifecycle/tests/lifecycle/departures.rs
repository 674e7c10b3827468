//! SPEC Decision 5 in full: several tenants on one table, and what each of them keeps when another goes.

use applet_lifecycle::{HookOutcome, RetireMode};

use super::host::{Database, Host};
use super::notes::{NOTES, TAGS, all_of, content, passes, rows_of, stands};

fn hidden() -> [String; 2] {
    [format!("_deleted_{NOTES}"), format!("_deleted_{TAGS}")]
}

#[tokio::test]
async fn d5_one_leaves_and_the_other_notices_nothing() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    let (mine, others) = (content(&database, 1).await, all_of(&database, 2).await);
    host.leaves(1, RetireMode::Soft, None).await;
    assert_eq!(stands(&database).await, [NOTES, TAGS]);
    assert_eq!(content(&database, 1).await, mine, "its rows stay");
    assert!(!host.serves_notes(1).await, "and nothing reaches them");
    assert_eq!(all_of(&database, 2).await, others);
    assert!(host.serves_notes(2).await);

    // Coming back is being served again.
    assert!(host.installs_notes(1, 1).await.restored);
    assert_eq!(content(&database, 1).await, mine);
    assert_eq!(all_of(&database, 2).await, others);
}

#[tokio::test]
async fn d5_both_leave_and_one_comes_back_while_the_others_deadline_runs_on() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    let mine = content(&database, 1).await;
    host.leaves(1, RetireMode::Soft, None).await;
    passes(&database, 1, "5 days").await;
    host.leaves(2, RetireMode::Soft, None).await;
    assert_eq!(stands(&database).await, hidden());
    let others = all_of(&database, 2).await;

    let report = host.installs_notes(1, 1).await;
    assert!(report.restored);
    assert_eq!(stands(&database).await, [NOTES, TAGS]);
    assert_eq!(content(&database, 1).await, mine);
    assert_eq!(all_of(&database, 2).await, others, "its deadline too");

    // It leaves again: the tables go out of sight again, with both deadlines.
    host.leaves(1, RetireMode::Soft, None).await;
    assert_eq!(stands(&database).await, hidden());
    assert_eq!(all_of(&database, 2).await, others);
}

#[tokio::test]
async fn d5_rows_are_purged_after_their_time_while_the_other_works_on() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    host.leaves(1, RetireMode::Soft, None).await;
    passes(&database, 1, "31 days").await;
    let others = all_of(&database, 2).await;
    let report = host.lifecycle.purge(false).await.unwrap();
    assert_eq!(report.purged.iter().map(|rows| rows.rows).collect::<Vec<_>>(), [6]);
    assert!(report.dropped.is_empty() && report.failed.is_empty(), "{report:?}");
    assert_eq!(rows_of(&database, 1).await, 0);
    assert_eq!(all_of(&database, 2).await, others);
    assert!(host.serves_notes(2).await);

    // Whoever comes back later begins anew.
    let report = host.installs_notes(1, 1).await;
    assert!(!report.restored);
    assert_eq!(report.hook, HookOutcome::Called);
    assert_eq!(all_of(&database, 2).await, others);
}

#[tokio::test]
async fn d5_the_table_is_dropped_when_the_last_deadline_is_over() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    host.leaves(1, RetireMode::Soft, None).await;
    host.leaves(2, RetireMode::Soft, None).await;
    passes(&database, 1, "31 days").await;
    let others = all_of(&database, 2).await;
    let report = host.lifecycle.purge(false).await.unwrap();
    assert_eq!((report.purged.len(), report.dropped.len(), report.waiting.len()), (1, 0, 1));
    assert_eq!(stands(&database).await, hidden());
    assert_eq!(all_of(&database, 2).await, others);

    passes(&database, 2, "31 days").await;
    let report = host.lifecycle.purge(false).await.unwrap();
    assert_eq!((report.purged.len(), report.dropped.len(), report.waiting.len()), (1, 2, 0));
    assert!(stands(&database).await.is_empty());
    assert!(database.texts("SELECT 1 FROM applet_host.own_tables").await.is_empty());

    let report = host.installs_notes(1, 1).await;
    assert!(report.tables.iter().all(|table| table.created), "{report:?}");
}

#[tokio::test]
async fn d5_hard_deletes_ones_own_rows_and_leaves_what_another_can_still_restore() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    let mine = content(&database, 1).await;
    host.leaves(1, RetireMode::Soft, None).await;
    let kept = all_of(&database, 1).await;
    host.leaves(2, RetireMode::Hard, None).await;
    assert_eq!(rows_of(&database, 2).await, 0);
    assert_eq!(stands(&database).await, hidden());
    assert_eq!(all_of(&database, 1).await, kept);
    assert!(host.installs_notes(1, 1).await.restored);
    assert_eq!(content(&database, 1).await, mine);
}
