//! Installations, plans, approvals, operations: what is kept, and what two hosts at once make of it.

use std::time::{Duration, Instant};

use crate::common::{Database, applet, tenant, workspace};
use applet_package::{AppletDigest, Package, Source};
use applet_store::{
    ApprovalRefusal, ApprovedPlan, Installation, InstallationStatus, MAX_APPROVAL_VALIDITY, NewApplet,
    NewApproval, NewPlan, OperationLease, OperationState, PlanRecord, PlanState, State, StateChange,
    StepToken, Store, StoreError, Takeover, Workspace,
};
use applet_types::{
    Actor, Columns, ErrorCode, Failure, Grants, Limits, PhysicalTable, RequestId, TenantId, UserId,
};
use serde_json::json;
use uuid::Uuid;

const PLANNED: [StateChange; 2] = [
    StateChange { from: State::Submitted, to: State::Planned },
    StateChange { from: State::Planned, to: State::AwaitingApproval },
];
const APPROVED: StateChange = StateChange { from: State::AwaitingApproval, to: State::Approved };
const APPLYING: StateChange = StateChange { from: State::Approved, to: State::Applying { step: 0 } };

/// An admin's id.
fn admin(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(0xad_0000 + number))
}

/// Read access to one table.
fn read_grant(table: &str) -> Grants {
    let mut builder = Grants::builder();
    builder.table(table.parse().unwrap()).read = Some(Columns::All);
    builder.build()
}

/// An applet that was submitted and planned for a workspace.
struct Planned {
    digest: AppletDigest,
    installation: InstallationStatus,
    plan: PlanRecord,
}

async fn submitted(store: &Store, id: &str, component: &[u8]) -> AppletDigest {
    let id = applet(id);
    let version = "1.0.0".parse().unwrap();
    let package = NewApplet {
        variables: &applet_types::Variables::default(),
        id: &id,
        version: &version,
        package: &Package::new("id: ai-chat", component),
        source: &Source::File,
        submitted_by: Some(admin(9)),
    };
    store.submit(&package).await.unwrap().digest
}

async fn planned(store: &Store, number: u128) -> Planned {
    let home = Workspace { id: workspace(number), tenant: tenant(number), name: "Main".to_owned() };
    assert!(store.ensure_workspace(&home).await.unwrap());
    let digest = submitted(store, "ai-chat", b"component").await;
    let installation =
        store.ensure_installation(home.tenant, home.id, &applet("ai-chat")).await.unwrap().unwrap();
    let plan = store
        .save_plan(&new_plan(&installation, digest, &"a".repeat(64), &json!({"steps": []})), &PLANNED)
        .await
        .unwrap();
    Planned { digest, installation, plan }
}

fn new_plan<'a>(
    installation: &InstallationStatus,
    applet_digest: AppletDigest,
    digest: &'a str,
    plan: &'a serde_json::Value,
) -> NewPlan<'a> {
    NewPlan {
        kind: applet_store::PlanKind::Install,
        tenant: installation.tenant,
        installation: installation.id,
        applet_digest,
        digest,
        plan,
        created_by: Some(admin(1)),
    }
}

async fn approve(store: &Store, planned: &Planned, valid_for: Duration) {
    let approval = NewApproval {
        tenant: planned.installation.tenant,
        installation: planned.installation.id,
        plan: planned.plan.id,
        actor: Some(admin(1)),
        grants: &read_grant("clients"),
        limits: &Limits::default(),
        valid_for,
    };
    store.approve(&approval, Some(APPROVED)).await.unwrap().unwrap();
}

async fn redeem(
    store: &Store,
    planned: &Planned,
) -> Result<Result<(ApprovedPlan, OperationLease), ApprovalRefusal>, StoreError> {
    let PlanRecord { digest, .. } = &planned.plan;
    store.redeem(planned.installation.tenant, planned.installation.id, planned.digest, digest, APPLYING).await
}

async fn active(store: &Store, number: u128) -> Option<Installation> {
    store.active_installation(tenant(number), workspace(number), &applet("ai-chat")).await.unwrap()
}

#[tokio::test]
async fn s3_6_migrations_run_twice_and_at_once_without_error() {
    let database = Database::new().await;
    let store = database.store().await;
    store.migrate().await.unwrap();
    let (first, second) = tokio::join!(store.migrate(), store.migrate());
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn s3_6_a_migration_changed_after_it_was_applied_is_refused() {
    let database = Database::new().await;
    let store = database.store().await;
    assert!(
        database
            .run("UPDATE applet_host.migrations SET checksum = '\\x00' WHERE version = 20261121090000")
            .await
    );
    assert!(matches!(store.migrate().await, Err(StoreError::Schema(_))));
}

#[tokio::test]
async fn s4_19_the_way_from_submission_to_an_active_installation() {
    let database = Database::new().await;
    let store = database.store().await;
    let planned = planned(&store, 1).await;
    assert!(active(&store, 1).await.is_none());
    approve(&store, &planned, MAX_APPROVAL_VALIDITY).await;

    let (plan, mut lease) = redeem(&store, &planned).await.unwrap().unwrap();
    assert_eq!(plan.content(), &json!({"steps": []}));
    assert_eq!(plan.grants().digest(), read_grant("clients").digest());
    assert_eq!(lease.announce(0, "make the role").await.unwrap(), None);
    lease.finish_step(0, &json!({"made": true})).await.unwrap();
    let finished = lease.announce(0, "make the role").await.unwrap();
    assert_eq!(finished, Some(json!({"made": true})), "a finished step is known to be finished");
    lease.activate().await.unwrap();

    let running = active(&store, 1).await.unwrap();
    assert_eq!((running.tenant, running.generation), (tenant(1), 1));
    let component = store.component(running.component).await.unwrap().unwrap();
    assert_eq!(component, b"component");
    let call = running.invocation(RequestId::new(Uuid::nil()), Actor::User(admin(1)), "en", Instant::now());
    assert_eq!(call.tenant, tenant(1));

    let operation = store.latest_operation(tenant(1), planned.installation.id).await.unwrap().unwrap();
    assert_eq!(operation.state, OperationState::Done);
    assert!(operation.steps[0].done_at.is_some());
    let plan = store.plan(tenant(1), planned.plan.id).await.unwrap().unwrap();
    assert_eq!(plan.state, PlanState::Applied);
}

#[tokio::test]
async fn s4_18_of_racing_installations_exactly_one_spends_the_approval() {
    let database = Database::new().await;
    let store = database.store().await;
    let planned = planned(&store, 1).await;
    approve(&store, &planned, MAX_APPROVAL_VALIDITY).await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, digest, plan) = (store.clone(), planned.digest, planned.plan.digest.clone());
        let installation = planned.installation.id;
        racers.spawn(async move { store.redeem(tenant(1), installation, digest, &plan, APPLYING).await });
    }
    let mut winners = 0;
    for outcome in racers.join_all().await {
        match outcome.unwrap() {
            Ok(_) => winners += 1,
            Err(refusal) => assert_eq!(refusal, ApprovalRefusal::Spent),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(store.unfinished_operations().await.unwrap().len(), 1);
}

#[tokio::test]
async fn s4_18_an_approval_of_anything_else_is_void() {
    let database = Database::new().await;
    let store = database.store().await;
    let planned = planned(&store, 1).await;
    approve(&store, &planned, MAX_APPROVAL_VALIDITY).await;
    let PlanRecord { digest, .. } = &planned.plan;
    let (whose, which) = (planned.installation.tenant, planned.installation.id);

    let other_package = submitted(&store, "ai-chat", b"component with one byte more").await;
    let refusal = store.redeem(whose, which, other_package, digest, APPLYING).await.unwrap().unwrap_err();
    assert_eq!(refusal, ApprovalRefusal::Void);
    let refusal =
        store.redeem(whose, which, planned.digest, &"b".repeat(64), APPLYING).await.unwrap().unwrap_err();
    assert_eq!(refusal, ApprovalRefusal::Void);
    let refusal =
        store.redeem(tenant(2), which, planned.digest, digest, APPLYING).await.unwrap().unwrap_err();
    assert_eq!(refusal, ApprovalRefusal::Missing, "another tenant's approval is not found");

    // A new plan voids the approval of the old one.
    let changed = json!({"steps": ["more"]});
    let again = [StateChange { from: State::Approved, to: State::AwaitingApproval }];
    let digest = "c".repeat(64);
    let new = new_plan(&planned.installation, planned.digest, &digest, &changed);
    assert_eq!(store.save_plan(&new, &again).await.unwrap().state, PlanState::Pending);
    assert_eq!(redeem(&store, &planned).await.unwrap().unwrap_err(), ApprovalRefusal::Void);
    let approvals = store.approvals(whose, which).await.unwrap();
    assert_eq!(approvals.len(), 1);
    assert!(approvals[0].voided_at.is_some() && approvals[0].actor == Some(admin(1)));
}

#[tokio::test]
async fn s4_18_an_approval_expires_by_the_databases_clock_and_after_seven_days_at_most() {
    let database = Database::new().await;
    let store = database.store().await;
    let planned = planned(&store, 1).await;
    approve(&store, &planned, MAX_APPROVAL_VALIDITY * 2).await;
    let approval = store.approvals(tenant(1), planned.installation.id).await.unwrap().remove(0);
    assert_eq!((approval.expires_at - approval.decided_at).to_std().unwrap(), MAX_APPROVAL_VALIDITY);
    assert!(
        database
            .run(
                "UPDATE applet_host.approvals SET decided_at = decided_at - interval '8 days',
                expires_at = expires_at - interval '8 days'"
            )
            .await
    );
    assert_eq!(redeem(&store, &planned).await.unwrap().unwrap_err(), ApprovalRefusal::Expired);
}

#[tokio::test]
async fn s4_55_another_tenants_resources_are_not_found() {
    let database = Database::new().await;
    let store = database.store().await;
    let planned = planned(&store, 1).await;
    let chat = applet("ai-chat");
    let stranger: TenantId = tenant(2);
    assert!(store.workspace(stranger, workspace(1)).await.unwrap().is_none());
    assert!(store.installation(stranger, workspace(1), &chat).await.unwrap().is_none());
    assert!(store.ensure_installation(stranger, workspace(1), &chat).await.unwrap().is_none());
    assert!(store.plan(stranger, planned.plan.id).await.unwrap().is_none());
    assert!(store.open_plan(stranger, planned.installation.id).await.unwrap().is_none());
    assert!(store.installations(stranger).await.unwrap().is_empty());
    assert!(store.approvals(stranger, planned.installation.id).await.unwrap().is_empty());
    let stolen = Workspace { id: workspace(1), tenant: stranger, name: "Mine".to_owned() };
    assert!(!store.ensure_workspace(&stolen).await.unwrap());
    let approval = NewApproval {
        tenant: stranger,
        installation: planned.installation.id,
        plan: planned.plan.id,
        actor: Some(admin(2)),
        grants: &read_grant("clients"),
        limits: &Limits::default(),
        valid_for: MAX_APPROVAL_VALIDITY,
    };
    assert!(store.approve(&approval, Some(APPROVED)).await.unwrap().is_none());
}

#[tokio::test]
async fn s4_30_an_operation_is_taken_over_and_the_one_before_is_fenced_off() {
    let database = Database::new().await;
    let store = database.store().await;
    let planned = planned(&store, 1).await;
    approve(&store, &planned, MAX_APPROVAL_VALIDITY).await;
    let (plan, mut sleeper) = redeem(&store, &planned).await.unwrap().unwrap();
    let operation = plan.operation();
    sleeper.announce(0, "make the role").await.unwrap();
    assert!(matches!(store.take_over(operation).await.unwrap(), Takeover::Held));

    // Its process hangs, so that the session stays; its lease runs out.
    assert!(
        database.run("UPDATE applet_host.operations SET lease_until = now() - interval '1 second'").await
    );
    let Takeover::Taken(again, mut lease) = store.take_over(operation).await.unwrap() else { panic!() };
    assert_eq!(again.plan_digest(), plan.plan_digest());
    assert_eq!(lease.announce(0, "make the role").await.unwrap(), None, "announced is not finished");
    // Whatever it does next fails: its session was ended, and from another one the fence keeps it out.
    let before = sleeper.step(0);
    assert!(!database.run(&before.finish_statement(false)).await);
    assert!(!database.run(&before.fence_statement()).await);
    assert!(sleeper.finish_step(0, &json!(null)).await.is_err() && sleeper.activate().await.is_err());
    assert!(store.is_taken_over(before).await.unwrap() && !store.is_taken_over(lease.step(0)).await.unwrap());

    // Its process dies, so that the session goes: nobody has to wait for a lease.
    drop(lease);
    let lease = loop {
        if let Takeover::Taken(_, lease) = store.take_over(operation).await.unwrap() {
            break lease;
        }
    };
    lease.activate().await.unwrap();
    assert!(matches!(store.take_over(operation).await.unwrap(), Takeover::Over));
    assert!(active(&store, 1).await.is_some());
}

#[tokio::test]
async fn s4_30_a_failed_operation_can_be_resumed_or_is_given_up() {
    let database = Database::new().await;
    let store = database.store().await;
    let planned = planned(&store, 1).await;
    approve(&store, &planned, MAX_APPROVAL_VALIDITY).await;
    let failure = Failure::new(ErrorCode::DatabaseUnavailable, "the database cannot be reached");

    let (plan, mut lease) = redeem(&store, &planned).await.unwrap().unwrap();
    lease.announce(2, "make tables").await.unwrap();
    lease.fail(2, &failure, true).await.unwrap();
    let state = store.installation(tenant(1), workspace(1), &applet("ai-chat")).await.unwrap().unwrap().state;
    assert_eq!(state, State::Failed { step: 2, resumable: true });

    let Takeover::Taken(_, lease) = store.take_over(plan.operation()).await.unwrap() else { panic!() };
    lease.fail(2, &failure, false).await.unwrap();
    let operation = store.latest_operation(tenant(1), planned.installation.id).await.unwrap().unwrap();
    assert_eq!((operation.state, operation.failure), (OperationState::Failed, Some(failure)));
    assert!(store.unfinished_operations().await.unwrap().is_empty());
    assert_eq!(redeem(&store, &planned).await.unwrap().unwrap_err(), ApprovalRefusal::Spent);
}

#[tokio::test]
async fn s4_20_two_applets_whose_table_names_collide_are_refused() {
    let database = Database::new().await;
    let _store = database.store().await;
    let first = applet("my-app");
    let second = applet("my-app-notes");
    let table = PhysicalTable::of(&first, &"notes_list".parse().unwrap()).unwrap();
    let same = PhysicalTable::of(&second, &"list".parse().unwrap()).unwrap();
    assert_eq!(table, same);
    assert!(database.run(&StepToken::claim_statement(&table, &first)).await);
    assert!(
        database.run(&StepToken::claim_statement(&table, &first)).await,
        "its own name can be claimed again"
    );
    assert!(!database.run(&StepToken::claim_statement(&same, &second)).await);
}
