//! Killing the host at every fault point of uninstalling, exporting, purging and switching (limits G14, G39):
//! another host finishes the work, and the end is the same as without a kill.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use applet_lifecycle::{ExportFormat, FaultPoint, Faults, Finished, RetireMode, Silent};
use applet_store::{PlanState, State};

use super::crash::sessions_are_gone;
use super::host::{Database, Host, Recording, admin, applet, tenant, workspace};
use super::notes::{NOTES, all_of, passes, stands};

const URL: &str = "APPLET_RETIRE_TEST_URL";
const WORK: &str = "APPLET_RETIRE_TEST_WORK";
const OUT: &str = "APPLET_RETIRE_TEST_OUT";

const EXPORT: RetireMode = RetireMode::Export { format: ExportFormat::Csv };

/// What an operator's script does, however often it is started: everything that is still missing.
async fn walk(host: &Host, work: &str, out: &Path) {
    let (ctx, home, id) = (admin(1), workspace(1), applet("notes"));
    for (operation, outcome) in host.lifecycle.resume(ctx.request, &Silent).await.unwrap() {
        let Finished::Uninstalled(_) = outcome.unwrap_or_else(|error| panic!("{operation}: {error}")) else {
            panic!("nothing is installed here");
        };
    }
    let mode = match work {
        "soft" => RetireMode::Soft,
        "hard" => RetireMode::Hard,
        "export" => EXPORT,
        "purge" => {
            let report = host.lifecycle.purge(false).await.unwrap();
            return assert!(report.failed.is_empty(), "{report:?}");
        }
        "switch" => {
            if host.notes_state(1).await == State::Active && host.applets.called().is_empty() {
                host.lifecycle.disable(&ctx, home, &id).await.unwrap();
            }
            if host.notes_state(1).await == State::Disabled {
                host.lifecycle.enable(&ctx, home, &id).await.unwrap();
            }
            return;
        }
        other => panic!("{other}"),
    };
    let state = host.notes_state(1).await;
    if matches!(state, State::Retired { .. }) {
        return;
    }
    if !matches!(state, State::Retiring | State::Failed { resumable: true, .. }) {
        let planned = host.plans_leaving(1, mode).await.unwrap();
        if planned.record.state == PlanState::Pending {
            host.approves_leaving(1, &planned).await;
        }
    }
    host.goes(1, Some(out)).await.unwrap();
}

/// The process that is killed: this test binary, started by the tests below.
#[tokio::test]
#[ignore = "started by the tests of this file"]
async fn victim() {
    let of = |name: &str| std::env::var(name).unwrap();
    let host = Host::with(&of(URL), Faults::from_environment().unwrap(), Recording::default()).await;
    walk(&host, &of(WORK), Path::new(&of(OUT))).await;
}

async fn killed_at(point: FaultPoint, database: &Database, work: &str, out: &Path) {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim
        .args(["--exact", "retire_crash::victim", "--ignored"])
        .env(URL, &database.url)
        .env(WORK, work)
        .env(OUT, out)
        .env("APPLET_FAULT", format!("{point}=kill"));
    let ended = tokio::task::spawn_blocking(move || victim.output().unwrap().status).await.unwrap();
    assert_eq!(ended.signal(), Some(9), "nothing comes past `{point}` in {work}");
    sessions_are_gone(database).await;
}

/// Everything that is to be the same in the end.
async fn end_state(database: &Database) -> Vec<String> {
    let mut state = stands(database).await;
    for sql in [
        "SELECT concat_ws(' ', tenant_id, state ->> 'state', applet_digest, grants, left_at IS NULL, generation)
           FROM applet_host.installations ORDER BY 1",
        "SELECT concat_ws(' ', kind, state, digest) FROM applet_host.plans ORDER BY 1",
        "SELECT concat_ws(' ', consumed_at IS NOT NULL, voided_at IS NOT NULL) FROM applet_host.approvals ORDER BY 1",
        "SELECT concat_ws(' ', kind, state, finished_at IS NULL) FROM applet_host.operations ORDER BY 1",
        "SELECT concat_ws(' ', kind, ordinal, name, done_at IS NOT NULL) FROM applet_host.operation_steps
           JOIN applet_host.operations o ON o.id = operation_id ORDER BY 1",
        "SELECT concat_ws(' ', physical_name, applet_id) FROM applet_host.own_tables ORDER BY 1",
        "SELECT concat_ws(' ', tenant_id, tables, outcome, rows, keep_until > now()) FROM applet_host.retentions ORDER BY 1",
        "SELECT concat_ws(' ', applet, grants) FROM applet_host.login ORDER BY 1",
        "SELECT concat_ws(' ', tablename, policyname, cmd) FROM pg_policies WHERE schemaname = 'public' ORDER BY 1",
        "SELECT concat_ws(' ', c.relname, r.rolname IS NOT NULL, x.privilege_type) FROM pg_class c, aclexplode(c.relacl) x
           LEFT JOIN pg_roles r ON r.oid = x.grantee WHERE c.relname ~ 'applet_notes' ORDER BY 1",
    ] {
        state.extend(database.texts(sql).await);
    }
    for number in [1, 2] {
        for table in stands(database).await {
            let sql = format!(
                "SELECT '{table} ' || md5(coalesce(string_agg(concat_ws(' ', id, tenant_id), '|' ORDER BY id), ''))
                   FROM {table} WHERE tenant_id = '{}'",
                tenant(number)
            );
            state.extend(database.texts(&sql).await);
        }
    }
    state
}

/// A database in which the work can begin.
async fn stage(work: &str, tenants: &[u128]) -> (Database, tempfile::TempDir) {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, tenants).await;
    if work == "purge" {
        for number in tenants {
            host.leaves(*number, RetireMode::Soft, None).await;
            passes(&database, *number, "31 days").await;
        }
    }
    host.store.close().await;
    (database, tempfile::tempdir().unwrap())
}

/// Kills at each of these points, and lets another host finish.
async fn sweep(work: &str, tenants: &[u128], points: &[FaultPoint]) {
    let (undisturbed, folder) = stage(work, tenants).await;
    walk(&Host::on(&undisturbed.url).await, work, &folder.path().join("out")).await;
    let expected = end_state(&undisturbed).await;
    for point in points {
        let (database, folder) = stage(work, tenants).await;
        let out = folder.path().join("out");
        let other =
            if tenants.contains(&2) && work != "purge" { all_of(&database, 2).await } else { Vec::new() };
        killed_at(*point, &database, work, &out).await;
        let survivor = Host::on(&database.url).await;
        walk(&survivor, work, &out).await;
        assert_eq!(end_state(&database).await, expected, "{work}, after a kill at `{point}`");
        walk(&survivor, work, &out).await;
        assert_eq!(end_state(&database).await, expected, "{work}, after a second run past `{point}`");
        if !other.is_empty() {
            assert_eq!(all_of(&database, 2).await, other, "{work}, {point}: nothing of the other tenant's");
        }
        survivor.store.close().await;
        let locks = "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                      WHERE l.locktype = 'advisory' AND d.datname = current_database()";
        while !database.texts(locks).await.is_empty() {
            tokio::task::yield_now().await;
        }
        if work == "export" {
            let mut files: Vec<_> = std::fs::read_dir(&out)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let tables = ["applet_notes_notes.csv", "applet_notes_tags.csv", "export.json"];
            assert_eq!(files, tables, "after a kill at `{point}`");
            let text = std::fs::read_to_string(out.join(format!("{NOTES}.csv"))).unwrap();
            assert_eq!(text.lines().count(), 4, "after a kill at `{point}`");
        }
    }
}

#[tokio::test]
async fn s4_36_a_kill_anywhere_in_a_soft_uninstall_is_recovered() {
    sweep("soft", &[1, 2], FaultPoint::UNINSTALLING).await;
}

#[tokio::test]
async fn s4_37_a_kill_anywhere_in_a_hard_uninstall_is_recovered() {
    sweep("hard", &[1], FaultPoint::UNINSTALLING).await;
}

/// Spec: S4.38, limits G39
#[tokio::test]
async fn s4_38_a_kill_anywhere_in_an_export_is_recovered() {
    let around = [FaultPoint::LeaveAnnounced, FaultPoint::LeaveRecorded, FaultPoint::Retiring];
    sweep("export", &[1, 2], &[FaultPoint::EXPORTING, &around].concat()).await;
}

#[tokio::test]
async fn s4_36_a_kill_anywhere_in_a_purge_is_recovered() {
    sweep("purge", &[1, 2], FaultPoint::PURGING).await;
}

#[tokio::test]
async fn s4x_7_a_kill_while_switching_leaves_one_state_or_the_other() {
    for point in FaultPoint::SWITCHING {
        let (database, folder) = stage("switch", &[1]).await;
        killed_at(*point, &database, "switch", folder.path()).await;
        let host = Host::on(&database.url).await;
        let state = host.notes_state(1).await;
        let off = matches!(point, FaultPoint::Disabled | FaultPoint::Enabling);
        assert_eq!(state, if off { State::Disabled } else { State::Active }, "{point}");
        let (ctx, home, id) = (admin(1), workspace(1), applet("notes"));
        if off {
            host.lifecycle.enable(&ctx, home, &id).await.unwrap();
        } else {
            host.lifecycle.disable(&ctx, home, &id).await.unwrap();
        }
    }
}
