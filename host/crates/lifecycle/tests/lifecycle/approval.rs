//! Who may approve what, and what makes an approval void.

use std::time::Duration;

use applet_lifecycle::{Decision, LifecycleError, Package, Selection, Silent, Source, Standing};
use applet_store::{ApprovalRefusal, PlanState, State, StoreError};

use super::host::{Database, Host, MANIFEST, TABLE, admin, applet, somebody, tenant, workspace};

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
    assert_eq!(host.state(1).await, State::Approved);
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
    assert_eq!(host.state(1).await, State::AwaitingApproval);
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
    let changed = Package::new(MANIFEST, b"another component");
    let submitted = host.lifecycle.submit(&admin(1), &changed, &Source::File).await.unwrap();
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
