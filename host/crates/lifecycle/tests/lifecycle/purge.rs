//! The purge: never early, once, only what is its tenant's, by the database's clock.

use applet_lifecycle::RetireMode;

use super::host::{Database, Host, tenant};
use super::notes::{NOTES, all_of, passes, rows_of, stands, write_notes};

#[tokio::test]
async fn s4_36_nothing_is_purged_before_thirty_days_and_a_day_of_grace() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    host.leaves(1, RetireMode::Soft, None).await;
    let deadline = "SELECT round(extract(epoch FROM keep_until - retired_at)) FROM applet_host.retentions";
    assert_eq!(database.texts(deadline).await, [(30 * 24 * 3600).to_string()]);
    // How much time has passed since the uninstall, and whether the rows are gone.
    let table = [
        ("0 hours", false),
        ("1 hour", false),
        ("29 days 23 hours", false),
        ("30 days", false),
        ("30 days 23 hours", false),
        ("30 days 23 hours 59 minutes", false),
        ("31 days", true),
    ];
    for (passed, gone) in table {
        let restore = "UPDATE applet_host.retentions SET keep_until = retired_at + interval '720 hours'";
        database.run(restore).await;
        passes(&database, 1, passed).await;
        let dry = host.lifecycle.purge(true).await.unwrap();
        assert_eq!(
            (dry.purged.len(), dry.waiting.len()),
            (usize::from(gone), usize::from(!gone)),
            "{passed}"
        );
        assert_eq!(rows_of(&database, 1).await, 6, "a dry run changes nothing");
        let report = host.lifecycle.purge(false).await.unwrap();
        assert_eq!(report.purged, dry.purged, "{passed}");
        assert_eq!(rows_of(&database, 1).await == 0, gone, "{passed}");
    }
}

#[tokio::test]
async fn s4_36_rows_can_be_restored_until_they_are_purged() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    host.leaves(1, RetireMode::Soft, None).await;
    passes(&database, 1, "40 days").await;
    assert!(host.installs_notes(1, 1).await.restored);
    let report = host.lifecycle.purge(false).await.unwrap();
    assert!(report.purged.is_empty() && report.dropped.is_empty(), "{report:?}");
    assert_eq!(rows_of(&database, 1).await, 6);
}

#[tokio::test]
async fn s4_36_hosts_that_purge_at_once_purge_once_and_again_changes_nothing() {
    let database = Database::new().await;
    let (one, two) = (Host::on(&database.url).await, Host::on(&database.url).await);
    one.takes_notes(&database, &[1, 2]).await;
    one.leaves(1, RetireMode::Soft, None).await;
    passes(&database, 1, "31 days").await;
    let others = all_of(&database, 2).await;
    let (a, b, c) =
        tokio::join!(one.lifecycle.purge(false), two.lifecycle.purge(false), one.lifecycle.purge(false));
    let reports = [a.unwrap(), b.unwrap(), c.unwrap()];
    let rows: u64 = reports.iter().flat_map(|report| &report.purged).map(|rows| rows.rows).sum();
    assert_eq!(rows, 6, "{reports:?}");
    assert_eq!(reports.iter().map(|report| report.purged.len()).sum::<usize>(), 1, "{reports:?}");
    let outcome = "SELECT concat_ws(' ', outcome, rows) FROM applet_host.retentions";
    assert_eq!(database.texts(outcome).await, ["purged 6"]);
    assert_eq!(all_of(&database, 2).await, others);
    let again = one.lifecycle.purge(false).await.unwrap();
    assert!(again.purged.is_empty() && again.dropped.is_empty() && again.waiting.is_empty(), "{again:?}");
}

#[tokio::test]
async fn s4_36_what_one_tenants_purge_cannot_do_keeps_nobody_elses_from_being_done() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    host.leaves(1, RetireMode::Soft, None).await;
    host.leaves(2, RetireMode::Soft, None).await;
    passes(&database, 1, "32 days").await;
    passes(&database, 2, "31 days").await;
    // Something of the platform's points at a row, and nobody had told us.
    database
        .run(&format!(
            "CREATE TABLE stars (tenant_id uuid, note_id bigint,
                                 FOREIGN KEY (tenant_id, note_id) REFERENCES _deleted_{NOTES} (tenant_id, id));
             INSERT INTO stars SELECT tenant_id, id FROM _deleted_{NOTES} WHERE tenant_id = '{}'",
            tenant(1)
        ))
        .await;
    let report = host.lifecycle.purge(false).await.unwrap();
    assert_eq!((report.purged.len(), report.failed.len()), (1, 1), "{report:?}");
    assert_eq!((rows_of(&database, 1).await, rows_of(&database, 2).await), (6, 0));
    database.run("DROP TABLE stars").await;
    let report = host.lifecycle.purge(false).await.unwrap();
    assert_eq!((report.purged.len(), report.dropped.len()), (1, 2), "{report:?}");
    assert!(stands(&database).await.is_empty());
}

#[tokio::test]
async fn s4_37_what_a_call_wrote_after_a_hard_uninstall_is_purged_a_day_later() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    host.leaves(1, RetireMode::Hard, None).await;
    write_notes(&database, 1, 1).await;
    assert!(host.lifecycle.purge(false).await.unwrap().purged.is_empty());
    passes(&database, 1, "1 day").await;
    let others = all_of(&database, 2).await;
    let report = host.lifecycle.purge(false).await.unwrap();
    assert_eq!(report.purged.iter().map(|rows| rows.rows).collect::<Vec<_>>(), [2]);
    assert_eq!((rows_of(&database, 1).await, all_of(&database, 2).await), (0, others));

    // Who has come back in between has rows of his own by then.
    host.leaves(2, RetireMode::Hard, None).await;
    host.installs_notes(1, 1).await;
    host.installs_notes(2, 2).await;
    write_notes(&database, 2, 2).await;
    host.leaves(2, RetireMode::Hard, None).await;
    host.installs_notes(2, 2).await;
    write_notes(&database, 2, 2).await;
    passes(&database, 2, "3 days").await;
    assert!(host.lifecycle.purge(false).await.unwrap().purged.is_empty());
    assert_eq!(rows_of(&database, 2).await, 4);
}
