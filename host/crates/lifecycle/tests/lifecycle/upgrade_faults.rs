//! Upgrades that are killed, and upgrades that meet readers (SPEC S4.32, limits G14, G17).

use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use applet_datasource::{Admin, indexes};
use applet_lifecycle::{FaultPoint, Faults, Silent};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::crash::sessions_are_gone;
use super::host::{Database, Host, Recording, TABLE, admin};
use super::upgrade::second;

/// Tells the process that is to be killed where to work.
const URL: &str = "APPLET_UPGRADE_TEST_URL";

/// Installed in the first version, with the second one submitted.
async fn before(database: &Database) {
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    host.submit(&second()).await;
    host.store.close().await;
}

/// What an operator's script does, however often it is started.
async fn walk(host: &Host) {
    for (operation, outcome) in host.lifecycle.resume(admin(1).request, &Silent).await.unwrap() {
        outcome.unwrap_or_else(|error| panic!("{operation}: {error}"));
    }
    host.upgrade(1).await.unwrap();
}

/// What an upgrade leaves that nothing disturbs.
async fn undisturbed() -> Vec<String> {
    let database = Database::new().await;
    before(&database).await;
    walk(&Host::on(&database.url).await).await;
    end_state(&database).await
}

/// The process that is killed: this test binary, started by the test below.
#[tokio::test]
#[ignore = "started by `g14_a_kill_at_every_point_of_an_upgrade_is_recovered`"]
async fn upgrading_victim() {
    let url = std::env::var(URL).unwrap();
    walk(&Host::with(&url, Faults::from_environment().unwrap(), Recording::default()).await).await;
}

async fn upgrade_and_be_killed_at(fault: &str, url: &str) -> ExitStatus {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim
        .args(["--exact", "upgrade_faults::upgrading_victim", "--ignored"])
        .env(URL, url)
        .env("APPLET_FAULT", fault);
    tokio::task::spawn_blocking(move || victim.output().unwrap().status).await.unwrap()
}

/// Everything that is to be the same in the end.
async fn end_state(database: &Database) -> Vec<String> {
    let mut state = Vec::new();
    for sql in [
        "SELECT concat_ws(' ', applet_id, state, applet_digest, grants, generation) FROM applet_host.installations",
        "SELECT concat_ws(' ', state, digest) FROM applet_host.plans ORDER BY 1",
        "SELECT concat_ws(' ', consumed_at IS NOT NULL, voided_at IS NOT NULL, by_policy) FROM applet_host.approvals ORDER BY 1",
        "SELECT concat_ws(' ', kind, state, serving) FROM applet_host.operations ORDER BY 1",
        "SELECT concat_ws(' ', o.serving, ordinal, name, done_at IS NOT NULL)
           FROM applet_host.operation_steps s JOIN applet_host.operations o ON o.id = s.operation_id ORDER BY 1",
        "SELECT concat_ws(' ', applet, grants) FROM applet_host.login ORDER BY 1",
        "SELECT concat_ws(' ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1",
        "SELECT concat_ws(' ', x.indexdef, i.indisvalid) FROM pg_indexes x
           JOIN pg_index i ON i.indexrelid = format('%I.%I', x.schemaname, x.indexname)::regclass
          WHERE x.schemaname = 'public' ORDER BY 1",
    ] {
        state.extend(database.texts(sql).await);
    }
    state
}

#[tokio::test]
async fn g14_a_kill_at_every_point_of_an_upgrade_is_recovered() {
    let expected = undisturbed().await;

    let passed = |point: &&FaultPoint| {
        let name = point.as_str();
        ["plan-", "wall-", "twin-", "hook-", "upgrade-"].iter().any(|part| name.starts_with(part))
    };
    let mut faults: Vec<String> =
        FaultPoint::ALL.iter().filter(passed).map(|point| format!("{point}=kill")).collect();
    // Four changes come past these: two columns, a wider one, an index.
    for pass in 2..=4 {
        faults.extend(["announced", "recorded"].map(|what| format!("upgrade-change-{what}=kill@{pass}")));
    }
    for fault in faults {
        let database = Database::new().await;
        before(&database).await;
        let ended = upgrade_and_be_killed_at(&fault, &database.url).await;
        assert_eq!(ended.signal(), Some(9), "nothing comes past `{fault}`");
        sessions_are_gone(&database).await;
        let survivor = Host::on(&database.url).await;
        // Whatever happened, one version or the other answers.
        let version = survivor.active(1).await.version.to_string();
        let switched = fault.starts_with("upgrade-switched");
        assert_eq!(version, if switched { "1.1.0" } else { "1.0.0" }, "after a kill at `{fault}`");
        walk(&survivor).await;
        assert_eq!(end_state(&database).await, expected, "after a kill at `{fault}`");
        walk(&survivor).await;
        assert_eq!(end_state(&database).await, expected, "after a second run past `{fault}`");
        survivor.store.close().await;
    }
}

/// A snapshot that is older than an index keeps its build from ending, for as long as the test wants.
async fn holds_a_snapshot(database: &Database) -> PgConnection {
    let mut holder = PgConnection::connect(&database.url).await.unwrap();
    let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM clients";
    sqlx::raw_sql(hold).execute(&mut holder).await.unwrap();
    holder
}

/// Sessions that build an index.
const BUILDING: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND query LIKE 'CREATE%INDEX CONCURRENTLY%'";

fn half() -> String {
    format!("SELECT 1 FROM pg_index WHERE indrelid = '{TABLE}'::regclass AND NOT indisvalid")
}

/// A process that upgrades, and has come as far as the index that cannot end.
async fn stuck_in_an_index(database: &Database) -> Child {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["--exact", "upgrade_faults::upgrading_victim", "--ignored"]).env(URL, &database.url);
    let mut victim = victim.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while database.texts(&half()).await.is_empty() {
        assert!(victim.try_wait().unwrap().is_none(), "it cannot have come past the snapshot");
    }
    victim
}

fn signal(process: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &process.id().to_string()]).status().unwrap().success());
}

/// The minute that a lease lasts is not waited for: the row is made to say that it is over.
#[tokio::test]
async fn g16_a_host_that_is_stopped_past_its_lease_is_replaced_and_changes_nothing_when_it_wakes() {
    let expected = undisturbed().await;

    let database = Database::new().await;
    before(&database).await;
    let holder = holds_a_snapshot(&database).await;
    let mut victim = stuck_in_an_index(&database).await;
    signal(&victim, "-STOP");
    let survivor = Host::on(&database.url).await;
    let none = survivor.lifecycle.resume(admin(1).request, &Silent).await.unwrap();
    assert!(none.is_empty(), "its lease still runs: {none:?}");
    database
        .run("UPDATE applet_host.operations SET lease_until = now() - interval '1 s' WHERE state = 'running'")
        .await;
    // The stopped host's sessions hold the lock for changes, and the index; both go with them.
    let others = async {
        while database.texts("SELECT 1 FROM applet_host.operations WHERE token > 1").await.is_empty() {}
        drop(holder);
    };
    tokio::join!(walk(&survivor), others);
    assert_eq!(end_state(&database).await, expected);

    signal(&victim, "-CONT");
    assert!(!victim.wait().unwrap().success(), "it learns that it was replaced");
    assert_eq!(end_state(&database).await, expected);
    survivor.store.close().await;
}

#[tokio::test]
async fn g14_a_kill_in_the_middle_of_building_an_index_is_recovered() {
    let expected = undisturbed().await;

    let database = Database::new().await;
    before(&database).await;
    let holder = holds_a_snapshot(&database).await;
    let mut victim = stuck_in_an_index(&database).await;
    victim.kill().unwrap();
    assert_eq!(victim.wait().unwrap().signal(), Some(9));
    // The server learns of it when it next speaks to the killed host; here, at once. The snapshot
    // is held until then: without it the build could still come to its end.
    database.texts(&format!("SELECT pg_terminate_backend(pid) FROM ({BUILDING}) AS building")).await;
    while !database.texts(BUILDING).await.is_empty() {}
    drop(holder);
    sessions_are_gone(&database).await;
    assert!(!database.texts(&half()).await.is_empty(), "half an index is what a kill leaves");

    let survivor = Host::on(&database.url).await;
    assert_eq!(survivor.active(1).await.version.to_string(), "1.0.0");
    walk(&survivor).await;
    assert_eq!(end_state(&database).await, expected);
    survivor.store.close().await;
}

/// A reader that holds the table must not make other readers wait behind the upgrade that waits for it.
#[tokio::test]
async fn g17_readers_never_queue_behind_an_upgrade_that_waits_for_another_reader() {
    let database = Database::new().await;
    before(&database).await;
    let mut holder = PgConnection::connect(&database.url).await.unwrap();
    let hold = format!("BEGIN; SELECT count(*) FROM {TABLE}");
    sqlx::raw_sql(AssertSqlSafe(hold)).execute(&mut holder).await.unwrap();

    let host = Host::on(&database.url).await;
    let finished = Cell::new(false);
    let upgrade = async {
        let report = host.upgrade(1).await;
        finished.set(true);
        report
    };
    // The upgrade is at it: it waits for the lock.
    let waits = "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                  WHERE d.datname = current_database() AND NOT granted AND mode = 'AccessExclusiveLock'";
    let it_waits = async || {
        while database.texts(waits).await.is_empty() {
            assert!(!finished.get(), "it cannot have come past the reader");
        }
    };
    let readers = async {
        it_waits().await;
        let mut reader = PgConnection::connect(&database.url).await.unwrap();
        // As applets' own statements have it. A queue without bound would end in this.
        sqlx::raw_sql("SET lock_timeout = '1s'").execute(&mut reader).await.unwrap();
        for _ in 0..200 {
            let sql = AssertSqlSafe(format!("SELECT count(*) FROM {TABLE}"));
            sqlx::query(sql).fetch_one(&mut reader).await.unwrap();
        }
        it_waits().await;
        holder.close().await.unwrap();
    };
    let (report, ()) = tokio::join!(upgrade, readers);
    assert!(report.unwrap().by_policy);
}

/// Spec: S4.33
#[tokio::test]
async fn s4_33_an_index_that_cannot_be_built_leaves_nothing_behind_and_half_a_one_is_mended() {
    let database = Database::new().await;
    database.run("CREATE TABLE things (a int); INSERT INTO things VALUES (1), (1)").await;
    let mut session = Admin::connect(&database.url).await.unwrap();
    let create = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS things_a ON public.things (a)";
    let there = "SELECT concat_ws(' ', indexrelid::regclass, indisvalid) FROM pg_index WHERE indrelid = 'things'::regclass";
    let refused = indexes::ensure(&mut session, ["public", "things"], "things_a", create).await;
    assert!(refused.is_err());
    assert!(database.texts(there).await.is_empty());

    // What a killed host leaves: half an index.
    let mut killed = PgConnection::connect(&database.url).await.unwrap();
    sqlx::raw_sql("CREATE UNIQUE INDEX CONCURRENTLY things_a ON public.things (a)")
        .execute(&mut killed)
        .await
        .unwrap_err();
    assert_eq!(database.texts(there).await, ["things_a f"]);
    database.run("DELETE FROM things").await;
    assert!(indexes::ensure(&mut session, ["public", "things"], "things_a", create).await.unwrap());
    assert_eq!(database.texts(there).await, ["things_a t"]);
    assert!(!indexes::ensure(&mut session, ["public", "things"], "things_a", create).await.unwrap());
}
