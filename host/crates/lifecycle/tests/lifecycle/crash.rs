//! Killing the host at every fault point (SPEC S4.30, limits G14): another host finishes the work, and the
//! end is the same as without a kill.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};

use applet_lifecycle::{FaultPoint, Faults, Progress, Silent};
use applet_store::PlanState;

use super::host::{Database, Host, MANIFEST, Recording, admin, applet, workspace};

/// Tells the process that is to be killed where to work.
const URL: &str = "APPLET_CRASH_TEST_URL";

/// What an operator's script does, however often it is started: everything that is still missing.
async fn walk(host: &Host) {
    for (operation, outcome) in host.lifecycle.resume(admin(1).request, &Silent).await.unwrap() {
        outcome.unwrap_or_else(|error| panic!("{operation}: {error}"));
    }
    if host.is_active(1).await {
        return;
    }
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    if planned.record.state == PlanState::Pending {
        host.approve(1, &planned).await;
    }
    host.install(1).await.unwrap();
}

/// The process that is killed: this test binary, started by the test below.
#[tokio::test]
#[ignore = "started by `s4_30_a_kill_at_every_fault_point_is_recovered`"]
async fn victim() {
    let url = std::env::var(URL).unwrap();
    walk(&Host::with(&url, Faults::from_environment().unwrap(), Recording::default()).await).await;
}

async fn walk_and_be_killed_at(point: FaultPoint, url: &str) -> ExitStatus {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim
        .args(["--exact", "crash::victim", "--ignored"])
        .env(URL, url)
        .env("APPLET_FAULT", format!("{point}=kill"));
    tokio::task::spawn_blocking(move || victim.output().unwrap().status).await.unwrap()
}

/// Everything that is to be the same in the end.
async fn end_state(database: &Database) -> Vec<String> {
    let mut state = Vec::new();
    for sql in [
        "SELECT concat_ws(' ', applet_id, state, applet_digest, grants, generation) FROM applet_host.installations",
        "SELECT concat_ws(' ', state, digest) FROM applet_host.plans",
        "SELECT concat_ws(' ', consumed_at IS NOT NULL, voided_at IS NOT NULL) FROM applet_host.approvals",
        "SELECT concat_ws(' ', kind, state) FROM applet_host.operations",
        "SELECT concat_ws(' ', ordinal, name, done_at IS NOT NULL) FROM applet_host.operation_steps ORDER BY 1",
        "SELECT concat_ws(' ', physical_name, applet_id) FROM applet_host.own_tables",
        "SELECT concat_ws(' ', count(*), 'packages') FROM applet_host.applets",
        "SELECT concat_ws(' ', applet, grants) FROM applet_host.login",
        "SELECT concat_ws(' ', c.relname, c.relrowsecurity, c.relforcerowsecurity, a.attname, a.attnotnull)
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1",
        "SELECT concat_ws(' ', tablename, policyname, cmd) FROM pg_policies WHERE schemaname = 'public' ORDER BY 1",
        "SELECT concat_ws(' ', indexname, indexdef) FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "SELECT concat_ws(' ', count(*), 'rows of the CRM') FROM clients, chats, chat_messages",
    ] {
        state.extend(database.texts(sql).await);
    }
    state
}

/// Waits until the killed host's sessions are gone, so that what is left over is left over for good.
pub(crate) async fn sessions_are_gone(database: &Database) {
    let sessions = "SELECT 1 FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()
                       AND backend_type = 'client backend'";
    while !database.texts(sessions).await.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn s4_30_a_kill_at_every_fault_point_is_recovered() {
    let undisturbed = Database::new().await;
    let host = Host::on(&undisturbed.url).await;
    walk(&host).await;
    let expected = end_state(&undisturbed).await;

    let others =
        [FaultPoint::UNINSTALLING, FaultPoint::EXPORTING, FaultPoint::PURGING, FaultPoint::SWITCHING]
            .concat();
    for point in FaultPoint::ALL
        .iter()
        .filter(|point| !others.contains(point) && !point.as_str().starts_with("upgrade-"))
    {
        let database = Database::new().await;
        let ended = walk_and_be_killed_at(*point, &database.url).await;
        assert_eq!(ended.signal(), Some(9), "nothing comes past `{point}`");
        sessions_are_gone(&database).await;
        let survivor = Host::on(&database.url).await;
        walk(&survivor).await;
        assert_eq!(end_state(&database).await, expected, "after a kill at `{point}`");

        // Once more changes nothing.
        walk(&survivor).await;
        assert_eq!(end_state(&database).await, expected, "after a second run past `{point}`");
        survivor.store.close().await;
        let locks = "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                      WHERE l.locktype = 'advisory' AND d.datname = current_database()";
        while !database.texts(locks).await.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

/// Ends every session of the database when a step is announced: the host lives, its database does not.
struct Severed<'a> {
    url: &'a str,
    at: u32,
    steps: AtomicU32,
}

impl Progress for Severed<'_> {
    fn step(&self, step: u32, of: u32, _what: &str) {
        self.steps.store(of, Ordering::Relaxed);
        if step != self.at {
            return;
        }
        let url = self.url.to_owned();
        // A runtime of its own, because this one is in the middle of the step.
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Database::end_sessions(&url));
        });
        ended.join().unwrap();
    }
}

#[tokio::test]
async fn s4_30_a_database_lost_at_any_step_is_recovered() {
    let undisturbed = Database::new().await;
    walk(&Host::on(&undisturbed.url).await).await;
    let expected = end_state(&undisturbed).await;

    let (mut at, mut steps) = (1, 1);
    while at <= steps {
        let database = Database::new().await;
        let host = Host::on(&database.url).await;
        host.submit(MANIFEST).await;
        let planned = host.plan(1).await;
        host.approve(1, &planned).await;
        let severed = Severed { url: &database.url, at, steps: AtomicU32::new(0) };
        let lost = host.lifecycle.install(&admin(1), workspace(1), &applet("ai-chat"), &severed).await;
        assert!(lost.unwrap_err().resumable());
        walk(&host).await;
        assert_eq!(end_state(&database).await, expected, "after losing the database at step {at}");
        steps = severed.steps.into_inner();
        at += 1;
    }
    assert_eq!(steps, 4);
}
