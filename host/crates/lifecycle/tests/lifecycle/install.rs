//! From a package to an active installation: tables, records, the twin-tenant check.

use applet_datasource::catalog::{self, CatalogOptions};
use applet_datasource::{Admin, twin};
use applet_lifecycle::{Decision, Fault, FaultPoint, Faults, HookOutcome, LifecycleError, TwinVerdict};
use applet_store::State;
use applet_types::HookCall;

use super::host::{Database, Host, MANIFEST, Recording, TABLE, admin, applet, tenant, workspace};

/// Spec: S4.19, S4.27, S4.30, S4.31
#[tokio::test]
async fn s4_19_declared_approved_created_and_active_with_every_step_recorded() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    let report = host.installed(1).await;

    // The table is there, and the report says who made it.
    assert_eq!((report.tables[0].table.as_str(), report.tables[0].created), (TABLE, true));
    assert_eq!((report.hook, host.applets.called()), (HookOutcome::Called, vec![HookCall::Install]));
    assert!(report.missing.is_empty(), "{:?}", report.missing);
    let columns =
        format!("SELECT attname FROM pg_attribute WHERE attrelid = '{TABLE}'::regclass AND attnum > 0");
    assert_eq!(database.texts(&columns).await.len(), 7);

    // Every step is recorded as done.
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
    let mut session = Admin::connect(&database.url).await.unwrap();
    let catalog = catalog::read(&mut session, &CatalogOptions::default()).await.unwrap().catalog;
    let found = twin::check(&mut session, &report.role, tenant(1), &catalog, &grants).await.unwrap();
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
            Host::with(&database.url, Faults::armed(*point, Fault::Error), Recording::default()).await;
        let failed = faulty.install(1).await.expect_err(point.as_str());
        assert!(matches!(failed, LifecycleError::Fault(_)), "{point}: {failed}");
        assert!(matches!(host.state(1).await, State::Failed { resumable: true, .. }), "{point}");
    }
    assert!(host.install(1).await.unwrap().resumed);
    assert!(host.is_active(1).await);
}

#[tokio::test]
async fn s4_29_tables_are_made_all_or_none() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    // The table is made, then the session is lost in the middle of the transaction.
    database
        .run(
            "CREATE FUNCTION lose() RETURNS event_trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END';
             CREATE EVENT TRIGGER lose ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION lose()",
        )
        .await;
    assert!(matches!(host.install(1).await, Err(LifecycleError::Database(_))));
    let made = format!("SELECT 1 FROM pg_class WHERE relname = '{TABLE}'");
    assert!(database.texts(&made).await.is_empty());
    assert!(database.texts("SELECT 1 FROM applet_host.own_tables").await.is_empty());
    assert!(
        database
            .texts("SELECT 1 FROM applet_host.operation_steps WHERE done_at IS NOT NULL")
            .await
            .is_empty()
    );
    database.run("DROP EVENT TRIGGER lose").await;
    let report = host.install(1).await.unwrap();
    assert!(report.resumed && report.tables[0].created);
}

#[tokio::test]
async fn s4_18_fewer_grants_are_a_change_of_their_own_and_the_role_before_is_dropped() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    let before = host.installed(1).await;
    assert!(host.lifecycle.retire_unused_roles().await.unwrap().is_empty());

    let planned = host.plan(1).await;
    assert!(host.is_active(1).await, "it runs on while a change of it is decided");
    let mut decision = Decision::everything(planned.record.id);
    decision.selection.deny = vec!["write:clients".parse().unwrap()];
    host.lifecycle.approve(&admin(1), workspace(1), &applet("ai-chat"), &decision).await.unwrap();
    let after = host.install(1).await.unwrap();
    assert_ne!(after.role, before.role);
    assert_eq!(after.hook, HookOutcome::None, "it was installed before");
    let active = host.store.active_installation(tenant(1), workspace(1), &applet("ai-chat")).await.unwrap();
    let active = active.unwrap();
    assert_eq!(active.generation, 2);
    assert!(active.grants.table(&"clients".parse().unwrap()).unwrap().update.is_none());
    assert_eq!(host.lifecycle.retire_unused_roles().await.unwrap(), [before.role]);
}

#[tokio::test]
async fn s4_30_what_can_be_resumed_can_be_given_up_and_planned_again() {
    let database = Database::new().await;
    let faults = Faults::armed(FaultPoint::WallRaised, Fault::Error);
    let host = Host::with(&database.url, faults, Recording::default()).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    host.install(1).await.unwrap_err();
    assert_eq!(host.plan_of(1, "ai-chat").await.unwrap_err().code(), "illegal-transition");
    host.lifecycle.give_up(&admin(1), workspace(1), &applet("ai-chat")).await.unwrap();
    assert!(matches!(host.state(1).await, State::Failed { resumable: false, .. }));

    let host = Host::on(&database.url).await;
    assert_eq!(host.install(1).await.unwrap_err().code(), "approval-spent");
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    assert!(!host.install(1).await.unwrap().tables[0].created, "the table was there already");
}
