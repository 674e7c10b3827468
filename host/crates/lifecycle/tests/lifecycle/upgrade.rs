//! From one version to another (SPEC S4.32-35, F7, Decision 5): tables, grants, consent, hooks, races.

use applet_lifecycle::{
    Decision, Fault, FaultPoint, Faults, HookOutcome, LifecycleError, Package, Silent, Source,
    UpgradeOptions, UpgradeReport,
};
use applet_store::{Installation, OperationState, State};
use applet_types::{HookCall, HookError, Operation, Version};

use super::host::{Database, Host, Recording, TABLE, admin, applet, tenant, workspace};

/// Version 1.0.0 of the sample with the hooks of an upgrade.
pub(crate) fn first() -> String {
    format!("{}hooks:\n  lifecycle: [on-install, on-upgrade]\n", include_str!("ai-chat.yaml"))
}

/// Version 1.1.0: a column that may be null, one with a default, an index, a wider column; no new permission.
pub(crate) fn second() -> String {
    let columns = "      - { name: greeting, type: text, nullable: true }\n      \
                   - { name: tries, type: integer, required: true, default: 3 }\n      \
                   - { name: created_at";
    first()
        .replace("version: 1.0.0", "version: 1.1.0")
        .replacen("      - { name: created_at", columns, 1)
        .replace("varchar(100)", "varchar(200)")
        .replace(
            "{ columns: [tenant_id], unique: true }",
            "{ columns: [tenant_id], unique: true }\n      - { columns: [greeting] }",
        )
}

/// Version 1.2.0: reads another table, which it can do without, and has dropped a column.
fn third() -> String {
    second()
        .replace("version: 1.1.0", "version: 1.2.0")
        .replace("      - { name: system_prompt, type: text, nullable: true }\n", "")
        .replace("createTables: true", "delete: [chats]\n    createTables: true")
}

const INDEX: &str = "applet_ai_chat_ai_chat_configs_tenant_id_greeting_idx";

impl Host {
    pub(crate) async fn upgrade_with(
        &self,
        number: u128,
        options: &UpgradeOptions,
    ) -> Result<UpgradeReport, LifecycleError> {
        let (ctx, at, chat) = (admin(number), workspace(number), applet("ai-chat"));
        self.lifecycle.upgrade(&ctx, at, &chat, options, &Silent).await
    }

    pub(crate) async fn upgrade(&self, number: u128) -> Result<UpgradeReport, LifecycleError> {
        self.upgrade_with(number, &UpgradeOptions::default()).await
    }

    pub(crate) async fn active(&self, number: u128) -> Installation {
        let chat = applet("ai-chat");
        let active = self.store.active_installation(tenant(number), workspace(number), &chat).await.unwrap();
        active.unwrap()
    }

    pub(crate) async fn begun(&self, number: u128) {
        self.submit(&first()).await;
        let planned = self.plan(number).await;
        self.approve(number, &planned).await;
        self.install(number).await.unwrap();
    }
}

async fn columns(database: &Database) -> Vec<String> {
    let sql = format!(
        "SELECT concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull) FROM pg_attribute
          WHERE attrelid = '{TABLE}'::regclass AND attnum > 0 ORDER BY attnum"
    );
    database.texts(&sql).await
}

async fn halves(database: &Database) -> Vec<String> {
    database.texts("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid").await
}

/// Spec: S4.32, S4.33, S4.35, F7
#[tokio::test]
async fn s4_33_an_upgrade_adds_to_the_table_and_passes_without_a_new_approval() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    let before = host.active(1).await;
    host.submit(&second()).await;
    let report = host.upgrade(1).await.unwrap();
    assert!(report.by_policy && !report.already);
    assert_eq!((report.from.to_string(), report.to.to_string()), ("1.0.0".into(), "1.1.0".into()));
    let from = Version::new(1, 0, 0);
    assert_eq!(host.applets.called(), [HookCall::Install, HookCall::Upgrade { from }]);

    let there = columns(&database).await;
    for column in ["greeting text f", "tries integer t", "model_name character varying(200) f"] {
        assert!(there.contains(&column.to_owned()), "{column}: {there:?}");
    }
    let index = format!("SELECT 1 FROM pg_index WHERE indexrelid = '{INDEX}'::regclass AND indisvalid");
    assert_eq!(database.texts(&index).await.len(), 1);

    let after = host.active(1).await;
    assert_eq!(after.version.to_string(), "1.1.0");
    assert_eq!(after.generation, before.generation + 1);
    let own =
        |installation: &Installation| installation.grants.table(&TABLE.parse().unwrap()).unwrap().clone();
    assert!(own(&after).read.unwrap().contains(&"greeting".parse().unwrap()));
    assert!(
        !own(&before).read.unwrap().contains(&"greeting".parse().unwrap()),
        "each version sees its own columns"
    );

    // Every step is recorded, and so is who let it pass.
    let status = host.store.installation(tenant(1), workspace(1), &applet("ai-chat")).await.unwrap().unwrap();
    let operation = host.store.latest_operation(tenant(1), status.id).await.unwrap().unwrap();
    assert_eq!(operation.state, OperationState::Done);
    assert!(operation.steps.iter().all(|step| step.done_at.is_some()), "{:?}", operation.steps);
    assert_eq!(operation.steps.len(), 7, "{:?}", operation.steps);
    assert!(host.store.approvals(tenant(1), status.id).await.unwrap()[0].by_policy);
    assert!(host.upgrade(1).await.unwrap().already, "there is nothing left to do");
}

#[tokio::test]
async fn s4_34_a_removed_column_stays_with_its_values_and_comes_back_with_a_rollback() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    let fill = format!(
        "INSERT INTO {TABLE} (tenant_id, system_prompt) SELECT id, 'kept' FROM tenants WHERE name = 'Acme'"
    );
    database.run(&fill).await;
    let slim = first()
        .replace("version: 1.0.0", "version: 2.0.0")
        .replace("      - { name: system_prompt, type: text, nullable: true }\n", "");
    host.submit(&slim).await;
    assert!(host.upgrade(1).await.unwrap().by_policy);
    let reads = host.active(1).await.grants.table(&TABLE.parse().unwrap()).unwrap().read.clone().unwrap();
    assert!(!reads.contains(&"system_prompt".parse().unwrap()), "hidden from the new version");
    let back = host
        .lifecycle
        .rollback(&admin(1), workspace(1), &applet("ai-chat"), &UpgradeOptions::default(), &Silent)
        .await
        .unwrap();
    assert_eq!(back.to.to_string(), "1.0.0");
    let values = format!("SELECT system_prompt FROM {TABLE}");
    assert_eq!(database.texts(&values).await, ["kept"]);
    let reads = host.active(1).await.grants.table(&TABLE.parse().unwrap()).unwrap().read.clone().unwrap();
    assert!(reads.contains(&"system_prompt".parse().unwrap()));
    // A version knows nothing of later ones, so it is not told of going back to it.
    assert_eq!(back.done.unwrap().hook, HookOutcome::None);
    let none = host
        .lifecycle
        .rollback(&admin(1), workspace(1), &applet("ai-chat"), &UpgradeOptions::default(), &Silent)
        .await;
    assert_eq!(none.unwrap_err().code(), "version-order");
}

#[tokio::test]
async fn s4_18_permissions_that_grow_need_consent_to_the_difference_only() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(&first()).await;
    let planned = host.plan(1).await;
    let mut decision = Decision::everything(planned.record.id);
    decision.selection.deny = vec!["write:clients".parse().unwrap()];
    let chat = applet("ai-chat");
    host.lifecycle.approve(&admin(1), workspace(1), &chat, &decision).await.unwrap();
    host.install(1).await.unwrap();

    host.submit(&third()).await;
    let refused = host.upgrade(1).await.unwrap_err();
    assert_eq!(
        (refused.code(), host.active(1).await.version.to_string().as_str()),
        ("approval-missing", "1.0.0")
    );
    let LifecycleError::ConsentNeeded(needed) = refused else { panic!("{refused}") };
    assert_eq!(needed.growth.len(), 1, "{:?}", needed.growth);
    assert_eq!(
        (needed.growth[0].operation, needed.growth[0].table.as_str()),
        (Operation::HardDelete, "chats")
    );

    // What the admin is shown is the difference, and what they withheld before is not asked for again.
    let planned = host.plan(1).await;
    assert_eq!(planned.plan.grants().added, needed.growth);
    assert!(planned.plan.grants().removed.is_empty());
    let delta =
        host.lifecycle.consent(&admin(1), workspace(1), &chat, &Decision::everything(needed.plan)).await;
    assert_eq!(delta.unwrap().added, needed.growth);
    host.approve(1, &planned).await;
    let report = host.upgrade(1).await.unwrap();
    assert!(!report.by_policy);
    let active = host.active(1).await;
    assert!(active.grants.table(&"chats".parse().unwrap()).unwrap().delete);
    let clients = "clients".parse().unwrap();
    assert!(active.grants.table(&clients).unwrap().update.is_none());
    assert!(active.grants.is_withheld(&clients, Operation::Update, None));
}

#[tokio::test]
async fn f7_new_code_runs_under_old_grants_when_asked_to_and_knows_what_it_lacks() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    host.submit(&third()).await;
    let options = UpgradeOptions { keep_grants: true, ..UpgradeOptions::default() };
    let report = host.upgrade_with(1, &options).await.unwrap();
    assert_eq!(report.withheld.len(), 1, "{:?}", report.withheld);
    let active = host.active(1).await;
    assert_eq!(active.version.to_string(), "1.2.0");
    assert!(active.grants.is_withheld(&"chats".parse().unwrap(), Operation::HardDelete, None));
    // An admin can grant it later, without another upgrade.
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    host.install(1).await.unwrap();
    assert!(host.active(1).await.grants.table(&"chats".parse().unwrap()).unwrap().delete);
}

#[tokio::test]
async fn f7_optional_permissions_hold_no_upgrade_up() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    let asks = second().replace("read: [users,", "read: [{ table: tenants, optional: true }, users,");
    host.submit(&asks).await;
    let report = host.upgrade(1).await.unwrap();
    assert!(report.by_policy);
    assert_eq!(report.withheld[0].table.as_str(), "tenants");
}

#[tokio::test]
async fn s4_18_the_policy_can_ask_for_an_approval_of_every_version() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    host.submit(&second()).await;
    let options = UpgradeOptions { require_approval: true, ..UpgradeOptions::default() };
    assert_eq!(host.upgrade_with(1, &options).await.unwrap_err().code(), "approval-missing");
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    assert!(!host.upgrade_with(1, &options).await.unwrap().by_policy);
}

#[tokio::test]
async fn s4_33_two_tenants_use_one_table_in_two_versions() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    host.submit(&second()).await;
    // The second tenant comes in with the newer version and brings the table up to it.
    let planned = host.plan(2).await;
    assert_eq!(planned.plan.adjustments().len(), 3, "{}", planned.plan.render());
    host.approve(2, &planned).await;
    let report = host.install(2).await.unwrap();
    assert!(!report.tables[0].created);
    assert_eq!(host.active(1).await.version.to_string(), "1.0.0");
    assert_eq!(host.active(2).await.version.to_string(), "1.1.0");
    let index = format!("SELECT 1 FROM pg_index WHERE indexrelid = '{INDEX}'::regclass AND indisvalid");
    assert_eq!(database.texts(&index).await.len(), 1);
    // For the first one everything is there already.
    let late = host.upgrade(1).await.unwrap();
    assert!(late.by_policy);
    assert_eq!(host.active(1).await.version.to_string(), "1.1.0");
    // And a third version of the first leaves the second alone.
    host.submit(&third()).await;
    let keep = UpgradeOptions { keep_grants: true, ..UpgradeOptions::default() };
    host.upgrade_with(1, &keep).await.unwrap();
    assert_eq!(host.active(2).await.version.to_string(), "1.1.0");
    let prompt = "system_prompt".parse().unwrap();
    let reads =
        |installation: Installation| installation.grants.table(&TABLE.parse().unwrap()).unwrap().read.clone();
    assert!(reads(host.active(2).await).unwrap().contains(&prompt));
    assert!(!reads(host.active(1).await).unwrap().contains(&prompt));
}

#[tokio::test]
async fn s4_35_a_failing_hook_leaves_the_version_before_and_the_columns() {
    let database = Database::new().await;
    Host::on(&database.url).await.begun(1).await;
    let failing = HookError::Applet { code: "stubborn".to_owned(), message: "not now".to_owned() };
    let host = Host::with(&database.url, Faults::default(), Recording::failing(failing)).await;
    host.submit(&second()).await;
    assert_eq!(host.upgrade(1).await.unwrap_err().code(), "hook-failed");
    assert_eq!(host.state(1).await, State::Active);
    assert_eq!(host.active(1).await.version.to_string(), "1.0.0");
    assert!(columns(&database).await.contains(&"greeting text f".to_owned()));
    let status = host.store.installation(tenant(1), workspace(1), &applet("ai-chat")).await.unwrap().unwrap();
    let operation = host.store.latest_operation(tenant(1), status.id).await.unwrap().unwrap();
    assert_eq!(operation.state, OperationState::Failed);
    assert!(Host::on(&database.url).await.upgrade(1).await.unwrap().by_policy, "the next try passes");
}

#[tokio::test]
async fn s4_32_an_error_at_any_step_leaves_the_version_before_and_the_upgrade_resumable() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    host.submit(&second()).await;
    let points = FaultPoint::ALL.iter().filter(|point| {
        let name = point.as_str();
        ["wall-", "twin-", "hook-", "upgrade-change", "upgrade-switching"]
            .iter()
            .any(|part| name.starts_with(part))
    });
    for point in points {
        let faulty =
            Host::with(&database.url, Faults::armed(*point, Fault::Error), Recording::default()).await;
        let failed = faulty.upgrade(1).await.expect_err(point.as_str());
        assert!(matches!(failed, LifecycleError::Fault(_)), "{point}: {failed}");
        assert_eq!(host.active(1).await.version.to_string(), "1.0.0", "{point}");
        assert_eq!(host.plan_of(1, "ai-chat").await.unwrap_err().code(), "held", "{point}");
    }
    assert!(host.upgrade(1).await.unwrap().done.unwrap().resumed);
    assert_eq!(host.active(1).await.version.to_string(), "1.1.0");
    assert!(halves(&database).await.is_empty());
}

#[tokio::test]
async fn s4_32_an_upgrade_that_failed_half_way_can_be_given_up() {
    let database = Database::new().await;
    Host::on(&database.url).await.begun(1).await;
    let faulty = Faults::armed(FaultPoint::WallRaised, Fault::Error);
    let host = Host::with(&database.url, faulty, Recording::default()).await;
    host.submit(&second()).await;
    host.upgrade(1).await.unwrap_err();
    host.lifecycle.give_up(&admin(1), workspace(1), &applet("ai-chat")).await.unwrap();
    assert_eq!(
        (host.state(1).await, host.active(1).await.version.to_string()),
        (State::Active, "1.0.0".into())
    );
    assert!(Host::on(&database.url).await.upgrade(1).await.unwrap().by_policy);
}

#[tokio::test]
async fn g16_of_two_hosts_that_race_for_one_upgrade_exactly_one_does_it() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    for round in 0..5_u64 {
        let manifest = second().replace("version: 1.1.0", &format!("version: 1.1.{round}"));
        let package = Package::new(&manifest, super::host::COMPONENT);
        host.lifecycle.submit(&admin(1), &package, &Source::File).await.unwrap();
        let (left, right) = (Host::on(&database.url).await, Host::on(&database.url).await);
        let (one, other) = tokio::join!(left.upgrade(1), right.upgrade(1));
        let did = |outcome: &Result<UpgradeReport, LifecycleError>| matches!(outcome, Ok(report) if !report.already);
        assert!(did(&one) || did(&other), "{one:?} {other:?}");
        assert!(!(did(&one) && did(&other)), "{one:?} {other:?}");
        assert_eq!(host.active(1).await.version, Version::new(1, 1, round));
        let hooks = left.applets.called().len() + right.applets.called().len();
        assert_eq!(hooks, 1, "the hook ran once in round {round}");
    }
    assert_eq!(host.active(1).await.generation, 6);
}

#[tokio::test]
async fn s4_32_what_is_disabled_can_be_upgraded_and_stays_disabled() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    host.lifecycle.disable(&admin(1), workspace(1), &applet("ai-chat")).await.unwrap();
    host.submit(&second()).await;
    host.upgrade(1).await.unwrap();
    assert_eq!(host.state(1).await, State::Disabled);
    host.lifecycle.enable(&admin(1), workspace(1), &applet("ai-chat")).await.unwrap();
    assert_eq!(host.active(1).await.version.to_string(), "1.1.0");
}

#[tokio::test]
async fn s4_55_another_tenants_admin_cannot_upgrade() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    host.submit(&second()).await;
    let (stranger, chat) = (admin(2), applet("ai-chat"));
    let options = UpgradeOptions::default();
    let life = &host.lifecycle;
    let up = life.upgrade(&stranger, workspace(1), &chat, &options, &Silent).await;
    let back = life.rollback(&stranger, workspace(1), &chat, &options, &Silent).await;
    assert_eq!((up.unwrap_err().code(), back.unwrap_err().code()), ("not-found", "not-found"));
}

#[tokio::test]
async fn s4_33_what_is_no_addition_is_refused_and_changes_nothing() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.begun(1).await;
    let before = columns(&database).await;
    host.submit(&first().replace("version: 1.0.0", "version: 1.1.0").replace("varchar(100)", "varchar(50)"))
        .await;
    let refused = host.upgrade(1).await.unwrap_err();
    assert_eq!(refused.code(), "plan-impossible");
    assert!(refused.to_string().contains("add a new column"), "{refused}");
    assert_eq!(columns(&database).await, before);
    assert_eq!(host.active(1).await.version.to_string(), "1.0.0");
}
