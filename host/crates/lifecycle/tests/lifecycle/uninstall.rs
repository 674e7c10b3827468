//! Uninstalling as approved: what is shown, what is refused, soft, hard, and coming back.

use applet_lifecycle::{Decision, Fate, Faults, HookOutcome, LifecycleError, RetireMode, Silent, Standing};
use applet_store::{PlanKind, State};
use applet_types::{HookCall, HookError};

use super::host::{Database, Host, Recording, admin, applet, somebody, tenant, workspace};
use super::notes::{NOTES, TAGS, all_of, content, manifest, rows_of, stands, write_notes};

#[tokio::test]
async fn s4_36_the_plan_shows_tables_rows_and_deadline_and_more_rows_do_not_change_it() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    let planned = host.plans_leaving(1, RetireMode::Soft).await.unwrap();
    let shown = planned.plan.render(&planned.estimate);
    assert!(shown.contains(&format!("{NOTES}: 3 rows")), "{shown}");
    assert!(shown.contains("can be restored until"), "{shown}");
    assert!(!planned.plan.loses_data());
    assert_eq!(planned.record.kind, PlanKind::Uninstall);
    assert!(host.serves_notes(1).await, "it runs on while its end is decided");
    let now = database.texts("SELECT clock_timestamp() + interval '719 hours 59 minutes'").await.remove(0);
    let sql = format!("SELECT timestamptz '{}' > '{now}'", planned.estimate.kept_until.unwrap());
    assert_eq!(database.texts(&sql).await, ["true"], "30 x 24 hours");

    write_notes(&database, 1, 4).await;
    let again = host.plans_leaving(1, RetireMode::Soft).await.unwrap();
    assert_eq!((again.record.id, &again.record.digest), (planned.record.id, &planned.record.digest));
    assert!(again.plan.render(&again.estimate).contains(&format!("{NOTES}: 7 rows")));

    let hard = host.plans_leaving(1, RetireMode::Hard).await.unwrap();
    assert!(hard.plan.loses_data() && hard.plan.render(&hard.estimate).contains("DELETED"));
    assert_ne!(hard.record.digest, planned.record.digest);
    // Whether others use the tables is none of the tenant's business.
    let alone = Database::new().await;
    let alone_host = Host::on(&alone.url).await;
    alone_host.takes_notes(&alone, &[1]).await;
    let same = alone_host.plans_leaving(1, RetireMode::Hard).await.unwrap();
    assert_eq!(same.record.digest, hard.record.digest);
}

#[tokio::test]
async fn s4_36_an_uninstall_takes_an_admins_approval_of_that_very_plan() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    let (life, id) = (&host.lifecycle, applet("notes"));
    assert_eq!(host.goes(1, None).await.unwrap_err().code(), "approval-spent", "that was the install's");
    let planned = host.plans_leaving(1, RetireMode::Soft).await.unwrap();
    let decision = Decision::everything(planned.record.id);
    assert_eq!(host.goes(1, None).await.unwrap_err().code(), "approval-missing");
    for standing in [Standing::Member, Standing::Platform] {
        let refused = life.approve(&somebody(1, standing), workspace(1), &id, &decision).await;
        assert_eq!(refused.unwrap_err().code(), "not-admin");
    }
    let member = somebody(1, Standing::Member);
    let refused = life.plan_uninstall(&member, workspace(1), &id, RetireMode::Hard).await;
    assert_eq!(refused.unwrap_err().code(), "not-admin");
    let refused = life.uninstall(&member, workspace(1), &id, None, &Silent).await;
    assert_eq!(refused.unwrap_err().code(), "not-admin");
    let stranger = admin(2);
    let refused = life.plan_uninstall(&stranger, workspace(1), &id, RetireMode::Hard).await;
    assert_eq!(refused.unwrap_err().code(), "not-found");
    let refused = life.uninstall(&stranger, workspace(1), &id, None, &Silent).await;
    assert_eq!(refused.unwrap_err().code(), "not-found");

    // An approval to uninstall installs nothing, and one to install takes nothing away.
    host.approves_leaving(1, &planned).await;
    let refused = life.install(&admin(1), workspace(1), &id, &Silent).await;
    assert_eq!(refused.unwrap_err().code(), "approval-missing");
    let install = life.plan(&admin(1), workspace(1), &id, None).await.unwrap();
    let decision = Decision::everything(install.record.id);
    life.approve(&admin(1), workspace(1), &id, &decision).await.unwrap();
    assert_eq!(host.goes(1, None).await.unwrap_err().code(), "approval-missing");
    assert!(host.serves_notes(1).await);

    // Soft was approved; hard is another plan.
    let soft = host.plans_leaving(1, RetireMode::Soft).await.unwrap();
    host.approves_leaving(1, &soft).await;
    host.plans_leaving(1, RetireMode::Hard).await.unwrap();
    assert_eq!(host.goes(1, None).await.unwrap_err().code(), "approval-missing");
    assert_eq!(rows_of(&database, 1).await, 6);
}

#[tokio::test]
async fn s4_36_soft_uninstall_hides_the_tables_and_reinstalling_restores_them() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    let before = content(&database, 1).await;
    let shape = "SELECT concat_ws(' ', attname, atttypid, attnotnull, attidentity) FROM pg_attribute
                  WHERE attrelid IN (SELECT oid FROM pg_class WHERE relname ~ 'applet_notes_(notes|tags)$')
                    AND attnum > 0 ORDER BY attrelid, attnum";
    let indexes = "SELECT indexname FROM pg_indexes WHERE tablename ~ 'applet_notes_' ORDER BY 1";
    let before_shape = [database.texts(shape).await, database.texts(indexes).await];
    let role = database.texts("SELECT role FROM applet_host.login WHERE applet = 'notes'").await;

    let report = host.leaves(1, RetireMode::Soft, None).await;
    assert_eq!(report.tables.iter().map(|left| left.rows).collect::<Vec<_>>(), [3, 3]);
    assert!(report.tables.iter().all(|left| left.fate == Fate::Hidden), "{report:?}");
    assert_eq!(report.hook, HookOutcome::Called);
    assert_eq!(stands(&database).await, [format!("_deleted_{NOTES}"), format!("_deleted_{TAGS}")]);
    let State::Retired { until } = host.notes_state(1).await else { panic!("not retired") };
    assert_eq!(report.kept_until, Some(until));
    assert!(!host.serves_notes(1).await);
    // Nobody but the owner has a right on it, and the role is gone.
    let rights = "SELECT 1 FROM pg_class c, aclexplode(c.relacl) x
                   WHERE c.relname ~ '^_deleted_' AND x.grantee <> c.relowner";
    assert!(database.texts(rights).await.is_empty());
    let columns = "SELECT 1 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) x
                    WHERE c.relname ~ '^_deleted_'";
    assert!(database.texts(columns).await.is_empty());
    let gone = format!("SELECT 1 FROM pg_roles WHERE rolname = '{}'", role[0]);
    assert!(database.texts(&gone).await.is_empty());
    // And no plan can name it.
    let asks = manifest("").replace("read: [clients]", &format!("read: [_deleted_{NOTES}]"));
    let package = applet_lifecycle::Package::new(&asks, super::host::COMPONENT);
    assert!(host.lifecycle.submit(&admin(1), &package, &applet_lifecycle::Source::File).await.is_err());

    let report = host.installs_notes(1, 1).await;
    assert!(report.restored && report.tables.iter().all(|table| !table.created), "{report:?}");
    assert_eq!(report.hook, HookOutcome::None, "it was installed before, and its rows are as it left them");
    assert_eq!(content(&database, 1).await, before);
    assert_eq!([database.texts(shape).await, database.texts(indexes).await], before_shape);
    assert!(host.serves_notes(1).await);
    // The sequence goes on where it was.
    write_notes(&database, 1, 1).await;
    assert_eq!(database.texts(&format!("SELECT max(id) FROM {NOTES}")).await, ["4"]);
    let open = "SELECT outcome FROM applet_host.retentions";
    assert_eq!(database.texts(open).await, ["restored"]);
}

#[tokio::test]
async fn s4_37_hard_uninstall_deletes_at_once_and_drops_what_nobody_uses() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    let other = all_of(&database, 2).await;
    let report = host.leaves(1, RetireMode::Hard, None).await;
    assert_eq!(
        report.tables.iter().map(|left| (left.rows, left.fate)).collect::<Vec<_>>(),
        [(3, Fate::Stays), (3, Fate::Stays)]
    );
    assert_eq!(report.kept_until, None);
    assert_eq!(rows_of(&database, 1).await, 0);
    assert_eq!(all_of(&database, 2).await, other);
    assert!(host.serves_notes(2).await);
    assert_eq!(host.plans_leaving(1, RetireMode::Hard).await.unwrap_err().code(), "not-installed");

    let report = host.leaves(2, RetireMode::Hard, None).await;
    assert!(report.tables.iter().all(|left| left.fate == Fate::Dropped), "{report:?}");
    assert!(stands(&database).await.is_empty());
    assert!(database.texts("SELECT 1 FROM applet_host.own_tables").await.is_empty(), "the names are free");
    assert!(database.texts("SELECT 1 FROM applet_host.login WHERE applet = 'notes'").await.is_empty());

    // Whoever comes back begins anew.
    let report = host.installs_notes(1, 1).await;
    assert!(!report.restored && report.tables.iter().all(|table| table.created), "{report:?}");
    assert_eq!(report.hook, HookOutcome::Called);
}

#[tokio::test]
async fn s4_37_what_soft_has_kept_can_be_deleted_before_its_time() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    host.leaves(1, RetireMode::Soft, None).await;
    let refused = host.plans_leaving(1, RetireMode::Soft).await.unwrap_err();
    assert_eq!(refused.code(), "already-retired");
    let other = all_of(&database, 2).await;
    let report = host.leaves(1, RetireMode::Hard, None).await;
    assert_eq!(report.hook, HookOutcome::None, "nothing of it runs any more");
    assert_eq!(rows_of(&database, 1).await, 0);
    assert_eq!(all_of(&database, 2).await, other);
    assert_eq!(host.plans_leaving(1, RetireMode::Hard).await.unwrap_err().code(), "not-installed");
}

#[tokio::test]
async fn s4x_8_a_failing_hook_does_not_keep_an_applet_installed_and_is_shown() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(&manifest("on-uninstall")).await;
    host.installs_notes(1, 1).await;
    let failing = HookError::Applet { code: "stubborn".to_owned(), message: "not now".to_owned() };
    let stubborn = Host::with(&database.url, Faults::default(), Recording::failing(failing)).await;
    let report = stubborn.leaves(1, RetireMode::Soft, None).await;
    let HookOutcome::Failed { reason } = &report.hook else { panic!("{report:?}") };
    assert!(reason.contains("not now"), "{reason}");
    assert!(matches!(host.notes_state(1).await, State::Retired { .. }));
    let recorded = "SELECT result ->> 'outcome' FROM applet_host.operation_steps s
                      JOIN applet_host.operations o ON o.id = s.operation_id
                     WHERE o.kind = 'uninstall' AND s.ordinal = 0";
    assert_eq!(database.texts(recorded).await, ["failed"]);
}

#[tokio::test]
async fn s4x_7_what_was_switched_off_is_not_run_once_more_to_uninstall_it() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    let planned = host.plans_leaving(1, RetireMode::Soft).await.unwrap();
    host.approves_leaving(1, &planned).await;
    host.lifecycle.disable_now(&admin(1), workspace(1), &applet("notes")).await.unwrap();
    // The plan that was approved would have called it.
    assert_eq!(host.goes(1, None).await.unwrap_err().code(), "approval-void");
    let report = host.leaves(1, RetireMode::Soft, None).await;
    assert_eq!((report.hook, host.applets.called()), (HookOutcome::None, vec![HookCall::Install]));
}

#[tokio::test]
async fn s4_36_rows_that_another_workspace_of_the_tenant_uses_stay() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    let second =
        applet_store::Workspace { id: workspace(11), tenant: tenant(1), name: "Second home".to_owned() };
    assert!(host.store.ensure_workspace(&second).await.unwrap());
    host.installs_notes(1, 11).await;
    let before = content(&database, 1).await;
    for mode in [RetireMode::Soft, RetireMode::Hard] {
        let report = host.leaves(1, mode, None).await;
        assert!(report.shared && report.kept_until.is_none(), "{report:?}");
        assert_eq!(content(&database, 1).await, before);
        assert!(database.texts("SELECT 1 FROM applet_host.retentions").await.is_empty());
        host.installs_notes(1, 1).await;
    }
    // An approval that did not know of the other workspace is void.
    let (life, id) = (&host.lifecycle, applet("notes"));
    let mode = RetireMode::Hard;
    let planned = life.plan_uninstall(&admin(1), workspace(11), &id, mode).await.unwrap();
    let decision = Decision::everything(planned.record.id);
    life.approve(&admin(1), workspace(11), &id, &decision).await.unwrap();
    host.leaves(1, RetireMode::Soft, None).await;
    let refused = life.uninstall(&admin(1), workspace(11), &id, None, &Silent).await;
    assert_eq!(refused.unwrap_err().code(), "approval-void");
    assert_eq!(content(&database, 1).await, before);
}

#[tokio::test]
async fn s4_36_an_installation_that_failed_for_good_can_be_taken_away() {
    let database = Database::new().await;
    let failing = HookError::Applet { code: "no".to_owned(), message: "no".to_owned() };
    let host = Host::with(&database.url, Faults::default(), Recording::failing(failing)).await;
    host.submit(&manifest("on-install, on-uninstall")).await;
    assert_eq!(host.plans_leaving(1, RetireMode::Hard).await.unwrap_err().code(), "not-found");
    let (life, id) = (&host.lifecycle, applet("notes"));
    let planned = life.plan(&admin(1), workspace(1), &id, None).await.unwrap();
    assert_eq!(host.plans_leaving(1, RetireMode::Hard).await.unwrap_err().code(), "not-installed");
    let decision = Decision::everything(planned.record.id);
    life.approve(&admin(1), workspace(1), &id, &decision).await.unwrap();
    life.install(&admin(1), workspace(1), &id, &Silent).await.unwrap_err();
    assert_eq!(stands(&database).await, [NOTES, TAGS]);
    let report = host.leaves(1, RetireMode::Hard, None).await;
    assert_eq!(report.hook, HookOutcome::None, "it never ran");
    assert!(stands(&database).await.is_empty());
    assert!(database.texts("SELECT 1 FROM applet_host.login WHERE applet = 'notes'").await.is_empty());
}

#[tokio::test]
async fn s4_36_a_table_with_rows_that_nothing_accounts_for_is_not_dropped() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    write_notes(&database, 2, 1).await;
    let report = host.leaves(1, RetireMode::Hard, None).await;
    assert!(report.tables.iter().all(|left| left.fate == Fate::Stays), "{report:?}");
    assert_eq!(rows_of(&database, 2).await, 2);
    assert!(host.lifecycle.purge(false).await.unwrap().dropped.is_empty());
    assert_eq!(rows_of(&database, 2).await, 2);
}

#[tokio::test]
async fn s4_30_an_unfinished_uninstall_is_neither_installed_over_nor_forgotten() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    let faults = Faults::armed(applet_lifecycle::FaultPoint::LeaveAnnounced, applet_lifecycle::Fault::Error);
    let faulty = Host::with(&database.url, faults, Recording::default()).await;
    let planned = faulty.plans_leaving(1, RetireMode::Soft).await.unwrap();
    faulty.approves_leaving(1, &planned).await;
    let failed = faulty.goes(1, None).await.unwrap_err();
    assert!(matches!(failed, LifecycleError::Fault(_)), "{failed}");
    assert!(matches!(host.notes_state(1).await, State::Failed { resumable: true, .. }));
    let (life, id) = (&host.lifecycle, applet("notes"));
    let refused = life.install(&admin(1), workspace(1), &id, &Silent).await.unwrap_err();
    assert_eq!(refused.code(), "other-operation");
    assert_eq!(life.plan(&admin(1), workspace(1), &id, None).await.unwrap_err().code(), "illegal-transition");
    let report = host.goes(1, None).await.unwrap();
    assert!(report.resumed);
    assert!(matches!(host.notes_state(1).await, State::Retired { .. }));
}

#[tokio::test]
async fn s4_30_an_uninstall_that_was_given_up_leaves_what_can_be_installed_or_uninstalled_again() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    let before = content(&database, 1).await;
    let faults = Faults::armed(applet_lifecycle::FaultPoint::LeaveAnnounced, applet_lifecycle::Fault::Error);
    let faulty = Host::with(&database.url, faults, Recording::default()).await;
    let planned = faulty.plans_leaving(1, RetireMode::Hard).await.unwrap();
    faulty.approves_leaving(1, &planned).await;
    faulty.goes(1, None).await.unwrap_err();
    host.lifecycle.give_up(&admin(1), workspace(1), &applet("notes")).await.unwrap();
    assert!(matches!(host.notes_state(1).await, State::Failed { resumable: false, .. }));
    host.installs_notes(1, 1).await;
    assert!(host.serves_notes(1).await);
    assert_eq!(content(&database, 1).await, before);
    host.leaves(1, RetireMode::Hard, None).await;
    assert!(stands(&database).await.is_empty());
}

/// Spec: S4.36, S4.33
#[tokio::test]
async fn d5_a_later_version_restores_the_rows_and_brings_their_table_up_to_itself() {
    for hidden in [true, false] {
        let database = Database::new().await;
        let host = Host::on(&database.url).await;
        let hooks = "on-install, on-upgrade, on-uninstall";
        host.submit(&manifest(hooks)).await;
        host.installs_notes(1, 1).await;
        write_notes(&database, 1, 3).await;
        if !hidden {
            host.installs_notes(2, 2).await;
            write_notes(&database, 2, 2).await;
        }
        let ids = format!(
            "SELECT string_agg(concat_ws(' ', id, body, token), ',' ORDER BY id) FROM {NOTES} WHERE tenant_id = '{}'",
            tenant(1)
        );
        let before = database.texts(&ids).await;
        host.leaves(1, RetireMode::Soft, None).await;
        let later = manifest(hooks).replace("version: 1.0.0", "version: 1.1.0").replace(
            "      - { name: label,",
            "      - { name: extra, type: integer, default: 7 }\n      - { name: label,",
        );
        host.submit(&later).await;
        let report = host.installs_notes(1, 1).await;
        assert!(report.restored, "{report:?}");
        assert_eq!(database.texts(&ids).await, before);
        let extra = format!("SELECT DISTINCT extra FROM {NOTES}");
        assert_eq!(database.texts(&extra).await, ["7"]);
        let called: Vec<_> = host.applets.called();
        let from = HookCall::Upgrade { from: "1.0.0".parse().unwrap() };
        assert_eq!(called.last(), Some(&from), "{called:?}");
        assert!(host.serves_notes(1).await);
        assert_eq!(host.serves_notes(2).await, !hidden);
    }
}

#[tokio::test]
async fn f6_rows_that_the_host_deletes_are_cached_nowhere() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1, 2]).await;
    let epoch = "SELECT epoch FROM applet_host.cache_epoch";
    let before = database.texts(epoch).await;
    host.leaves(1, RetireMode::Soft, None).await;
    assert_eq!(database.texts(epoch).await, before, "rows that are kept are as they were cached");
    host.leaves(2, RetireMode::Hard, None).await;
    assert_ne!(database.texts(epoch).await, before);
}
