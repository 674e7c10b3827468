//! From a package to an active installation, on a real PostgreSQL.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use applet_lifecycle::{
    Decision, Fault, FaultPoint, Faults, HookOutcome, LifecycleError, Package, Selection, Silent, Standing,
    TwinVerdict,
};
use applet_store::{ApprovalRefusal, PlanState, State, StoreError};
use applet_types::HookError;
use common::{COMPONENT, Counting, Database, Host, MANIFEST, admin, applet, somebody, tenant, workspace};

const TABLE: &str = "applet_ai_chat_ai_chat_configs";

async fn state(host: &Host, number: u128) -> State {
    let status =
        host.store.installation(tenant(number), workspace(number), &applet("ai-chat")).await.unwrap();
    status.unwrap().state
}

#[tokio::test]
async fn s4_19_declared_approved_created_and_active_with_every_step_recorded() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    let report = host.installed(1).await;

    // S4.27, S4.31: the table is there, and the report says who made it.
    assert_eq!((report.tables[0].table.as_str(), report.tables[0].created), (TABLE, true));
    assert_eq!((report.hook, host.applets.hooks.load(Ordering::Relaxed)), (HookOutcome::Called, 1));
    assert!(report.missing.is_empty(), "{:?}", report.missing);
    let columns =
        format!("SELECT attname FROM pg_attribute WHERE attrelid = '{TABLE}'::regclass AND attnum > 0");
    assert_eq!(database.texts(&columns).await.len(), 7);

    // S4.30: every step is recorded as done.
    let status = host.store.installation(tenant(1), workspace(1), &applet("ai-chat")).await.unwrap().unwrap();
    let operation = host.store.latest_operation(tenant(1), status.id).await.unwrap().unwrap();
    let names: Vec<_> = operation.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(operation.steps.iter().all(|step| step.done_at.is_some()), "{:?}", operation.steps);

    let active = host.store.active_installation(tenant(1), workspace(1), &applet("ai-chat")).await.unwrap();
    let active = active.unwrap();
    assert!(active.grants.is_own(&TABLE.parse().unwrap()));
    assert_eq!(active.version.to_string(), "1.0.0");
}

#[tokio::test]
async fn f2_the_twin_check_runs_on_every_install_and_leaves_no_trace() {
    let database = Database::new().await;
    let traces = "SELECT 'clients ' || count(*) FROM clients UNION ALL
        SELECT 'messages ' || count(*) FROM chat_messages UNION ALL
        SELECT 'tenants ' || count(*) FROM tenants UNION ALL
        SELECT sequencename || ' ' || last_value FROM pg_sequences ORDER BY 1";
    let before: Vec<_> = database.texts(traces).await;
    let host = Host::on(&database.url).await;
    let report = host.installed(1).await;
    let checked: Vec<_> = report
        .twin
        .tables
        .iter()
        .filter(|table| matches!(table.verdict, TwinVerdict::Holds { .. }))
        .map(|table| table.table.as_str())
        .collect();
    assert_eq!(checked, [TABLE, "chat_messages", "chats", "clients", "users"], "{:?}", report.twin);
    let after: Vec<_> = database.texts(traces).await;
    assert!(before.iter().all(|line| after.contains(line)), "{before:?} {after:?}");
}

#[tokio::test]
async fn f2_the_twin_check_finds_a_wall_that_is_open() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    let report = host.installed(1).await;
    let active = host.store.active_installation(tenant(1), workspace(1), &applet("ai-chat")).await.unwrap();
    let grants = active.unwrap().grants;
    database.run("ALTER TABLE clients DISABLE ROW LEVEL SECURITY").await;
    let mut session = applet_datasource::Admin::connect(&database.url).await.unwrap();
    let options = applet_datasource::catalog::CatalogOptions::default();
    let catalog = applet_datasource::catalog::read(&mut session, &options).await.unwrap().catalog;
    let found =
        applet_datasource::twin::check(&mut session, &report.role, tenant(1), &catalog, &grants).await;
    let found = found.unwrap();
    assert!(!found.holds());
    for table in found.tables {
        assert_eq!(matches!(table.verdict, TwinVerdict::Leaks { .. }), table.table == "clients", "{table:?}");
    }
}

#[tokio::test]
async fn s4_19_a_second_tenant_joins_the_table_under_the_same_digest() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let creating = host.plan(1).await;
    host.approve(1, &creating).await;
    host.install(1).await.unwrap();
    let joining = host.plan(2).await;
    assert_eq!(joining.record.digest, creating.record.digest);
    host.approve(2, &joining).await;
    let report = host.install(2).await.unwrap();
    assert!(!report.tables[0].created);
    assert!(host.is_active(1).await && host.is_active(2).await);
}

#[tokio::test]
async fn s4_55_another_tenants_admin_finds_nothing() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    let (stranger, chat) = (admin(2), applet("ai-chat"));
    let decision = Decision::everything(planned.record.id);
    let life = &host.lifecycle;
    let outcomes = [
        life.plan(&stranger, workspace(1), &chat, None).await.map(drop),
        life.approve(&stranger, workspace(1), &chat, &decision).await.map(drop),
        life.reject(&stranger, workspace(1), &chat).await,
        life.install(&stranger, workspace(1), &chat, &Silent).await.map(drop),
        life.disable(&stranger, workspace(1), &chat).await.map(drop),
        life.status(&stranger, workspace(1), &chat).await.map(drop),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().code(), "not-found");
    }
    // Not even with an installation of their own can they decide about the plan of somebody else.
    host.plan(2).await;
    let stolen = life.approve(&stranger, workspace(2), &chat, &decision).await.unwrap_err();
    assert_eq!((stolen.code(), stolen.http_status()), ("not-found", 404));
    assert_eq!(state(&host, 1).await, State::Approved);
}

#[tokio::test]
async fn s4_18_only_an_admin_approves() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    let decision = Decision::everything(planned.record.id);
    for standing in [Standing::Member, Standing::Platform] {
        let ctx = somebody(1, standing);
        let refused = host.lifecycle.approve(&ctx, workspace(1), &applet("ai-chat"), &decision).await;
        assert_eq!(refused.unwrap_err().code(), "not-admin");
    }
    let refused = host.install(1).await.unwrap_err();
    assert!(matches!(refused, LifecycleError::Approval(ApprovalRefusal::Missing)), "{refused}");
}

#[tokio::test]
async fn s4_18_a_changed_database_voids_the_approval_and_asks_again() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    database.run("ALTER TABLE clients ADD COLUMN salary integer").await;
    let refused = host.install(1).await.unwrap_err();
    assert_eq!(refused.code(), "approval-void");
    assert_eq!(state(&host, 1).await, State::AwaitingApproval);
    assert_eq!(host.install(1).await.unwrap_err().code(), "approval-missing");
    let again = host.plan(1).await;
    assert_ne!(again.record.digest, planned.record.digest);
    host.approve(1, &again).await;
    host.install(1).await.unwrap();
}

#[tokio::test]
async fn s4_18_a_table_that_the_plan_does_not_name_may_change() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    database.run("CREATE TABLE invoices (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL)").await;
    host.install(1).await.unwrap();
}

#[tokio::test]
async fn s4_18_a_package_submitted_later_needs_an_approval_of_its_own() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    let changed = Package { manifest: MANIFEST, component: b"another component" };
    let submitted = host.lifecycle.submit(&admin(1), changed).await.unwrap();
    assert_ne!(submitted.digest, planned.record.applet_digest);
    let replanned = host.plan(1).await;
    assert_eq!(replanned.record.applet_digest, submitted.digest);
    assert_eq!(replanned.record.digest, planned.record.digest, "the plan says the same");
    assert_eq!(host.install(1).await.unwrap_err().code(), "approval-missing");
    let old = host.store.plan(tenant(1), planned.record.id).await.unwrap().unwrap();
    assert_eq!(old.state, PlanState::Void);
}

#[tokio::test]
async fn s4_18_rows_changed_by_hand_are_noticed() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    let untouched = "SELECT digest FROM applet_host.plans";
    let digest = database.texts(untouched).await.remove(0);

    database.run("UPDATE applet_host.applets SET manifest = manifest || ' '").await;
    assert!(matches!(host.install(1).await, Err(LifecycleError::Store(StoreError::Damaged(_)))));
    database.run("UPDATE applet_host.applets SET manifest = left(manifest, -1)").await;

    database.run("UPDATE applet_host.approvals SET plan_digest = repeat('0', 64)").await;
    assert_eq!(host.install(1).await.unwrap_err().code(), "approval-void");
    database.run(&format!("UPDATE applet_host.approvals SET plan_digest = '{digest}'")).await;
    host.install(1).await.unwrap();
}

#[tokio::test]
async fn s4_18_an_approval_is_used_once_however_many_race() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    let (a, b, c) = tokio::join!(host.install(1), host.install(1), host.install(1));
    let outcomes = [a, b, c];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in outcomes {
        if let Err(error) = outcome {
            assert!(["approval-spent", "held", "lock-timeout"].contains(&error.code()), "{error}");
        }
    }
    assert!(host.is_active(1).await);
    assert_eq!(host.install(1).await.unwrap_err().code(), "approval-spent");
}

#[tokio::test]
async fn s4_18_what_is_denied_is_not_granted_and_not_made() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    let deny = ["create-tables", "write:clients"].map(|text| text.parse().unwrap()).to_vec();
    let decision = Decision {
        plan: planned.record.id,
        selection: Selection { grant: None, deny },
        limits: None,
        valid_for: Duration::from_secs(60),
    };
    host.lifecycle.approve(&admin(1), workspace(1), &applet("ai-chat"), &decision).await.unwrap();
    let report = host.install(1).await.unwrap();
    assert!(report.tables.is_empty());
    assert!(database.texts(&format!("SELECT 1 FROM pg_class WHERE relname = '{TABLE}'")).await.is_empty());
    let can = |right: &str, table: &str| {
        format!("SELECT has_any_column_privilege('{}', '{table}', '{right}')", report.role)
    };
    assert_eq!(database.texts(&can("UPDATE", "clients")).await, ["false"]);
    assert_eq!(database.texts(&can("SELECT", "clients")).await, ["true"]);
    assert_eq!(database.texts(&can("UPDATE", "chats")).await, ["true"]);
}

#[tokio::test]
async fn s4_20_colliding_table_names_of_two_applets_are_refused() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    let manifest = |id: &str, table: &str| {
        format!(
            "manifestVersion: \"1.0\"\nid: {id}\nversion: 1.0.0\nname: Notes\n\
             permissions:\n  database:\n    createTables: true\n\
             tables:\n  - name: {table}\n    columns:\n\
             \x20     - {{ name: id, type: bigserial, primary: true }}\n\
             \x20     - {{ name: tenant_id, type: uuid, required: true, index: true, \
             foreignKey: {{ table: tenants, column: id, onDelete: CASCADE }} }}\n"
        )
    };
    host.submit(&manifest("my-app", "notes_list")).await;
    host.submit(&manifest("my-app-notes", "list")).await;
    let first = host.plan_of(1, "my-app").await.unwrap();
    let second = host.plan_of(2, "my-app-notes").await.unwrap();
    host.approve(1, &first).await;
    host.approve(2, &second).await;
    host.install_of(1, "my-app").await.unwrap();
    let refused = host.install_of(2, "my-app-notes").await.unwrap_err();
    assert_eq!(refused.code(), "name-taken");
    // From then on the plan says so before anybody approves it.
    assert_eq!(host.plan_of(2, "my-app-notes").await.unwrap_err().code(), "name-taken");
}

#[tokio::test]
async fn s4x_8_a_hook_that_is_listed_and_not_exported_is_refused_at_submit() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    let manifest = MANIFEST.replace("[on-install]", "[on-install, on-upgrade]\n  named: [summarise]");
    let refused =
        host.lifecycle.submit(&admin(1), Package { manifest: &manifest, component: COMPONENT }).await;
    let LifecycleError::HooksMissing(missing) = refused.unwrap_err() else { panic!("another error") };
    assert_eq!(missing, ["on-upgrade", "summarise"]);
}

#[tokio::test]
async fn s4x_8_an_install_whose_hook_fails_is_over_and_can_be_planned_again() {
    let database = Database::new().await;
    let failing = HookError::Applet { code: "no-model".to_owned(), message: "no model is set".to_owned() };
    let failing = Counting { fails: Some(failing), ..Counting::default() };
    let host = Host::with(&database.url, Faults::default(), failing).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    let refused = host.install(1).await.unwrap_err();
    assert_eq!(refused.code(), "hook-failed");
    assert!(matches!(state(&host, 1).await, State::Failed { resumable: false, .. }));
    assert!(!host.is_active(1).await);

    let host = Host::on(&database.url).await;
    assert!(host.lifecycle.resume(admin(1).request, &Silent).await.unwrap().is_empty());
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    host.install(1).await.unwrap();
}

#[tokio::test]
async fn s4x_7_disabled_means_no_more_calls_and_everything_kept() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.installed(1).await;
    let chat = applet("ai-chat");
    host.lifecycle.disable(&admin(1), workspace(1), &chat).await.unwrap();
    assert!(!host.is_active(1).await);
    let again = host.lifecycle.disable(&admin(1), workspace(1), &chat).await.unwrap_err();
    assert_eq!(again.code(), "illegal-transition");
    host.lifecycle.enable(&admin(1), workspace(1), &chat).await.unwrap();
    assert!(host.is_active(1).await);
}

#[tokio::test]
async fn s4_30_an_error_at_any_step_is_recorded_and_the_install_resumed() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let during = FaultPoint::ALL.iter().skip_while(|point| **point != FaultPoint::TablesAnnounced);
    let during = during.take_while(|point| **point != FaultPoint::Activating);
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    for point in during {
        let faulty =
            Host::with(&database.url, Faults::armed(*point, Fault::Error), Counting::default()).await;
        let failed = faulty.install(1).await.expect_err(point.as_str());
        assert!(matches!(failed, LifecycleError::Fault(_)), "{point}: {failed}");
        assert!(matches!(state(&host, 1).await, State::Failed { resumable: true, .. }), "{point}");
    }
    assert!(host.install(1).await.unwrap().resumed);
    assert!(host.is_active(1).await);
}
