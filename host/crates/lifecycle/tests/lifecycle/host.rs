//! A database with a small CRM for each test, and a runtime that runs nothing.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use applet_datasource::catalog::CatalogOptions;
use applet_lifecycle::{
    Decision, Faults, InstallPolicy, InstallReport, Lifecycle, LifecycleError, OpContext, Package, Parts,
    Planned, Silent, Source, Standing,
};
use applet_store::{State, Store, Workspace};
use applet_types::{
    Actor, AppletId, Applets, ComponentDigest, ComponentReport, Failure, HookCall, HookError, Invocation,
    Limits, ManifestLimits, RequestId, Secret, TenantId, UserId, WorkspaceId,
};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

/// The manifest of the specification, with an `on-install` hook.
pub(crate) const MANIFEST: &str =
    concat!(include_str!("ai-chat.yaml"), "hooks:\n  lifecycle: [on-install]\n");

pub(crate) const COMPONENT: &[u8] = b"a component";

/// The physical name of its own table.
pub(crate) const TABLE: &str = "applet_ai_chat_ai_chat_configs";

/// A database of its own with the CRM in it.
pub(crate) struct Database {
    pub(crate) url: String,
    of_test: applet_testing::Database,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let of_test = applet_testing::Database::new().await;
        let database = Self { url: of_test.url(), of_test };
        database.run(include_str!("crm.sql")).await;
        database
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.of_test.run(sql).await.unwrap();
    }

    /// Ends everybody else's sessions, as a server that is shut down does.
    pub(crate) async fn end_sessions(url: &str) {
        let mut admin = PgConnection::connect(url).await.unwrap();
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    }

    /// The first column of every row, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let mut admin = PgConnection::connect(&self.url).await.unwrap();
        let sql = format!("SELECT coalesce(x::text, '-') FROM ({sql}) AS q (x)");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut admin).await.unwrap()
    }
}

/// A runtime that writes down what it is asked to run.
#[derive(Default)]
pub(crate) struct Recording {
    called: Mutex<Vec<HookCall>>,
    /// What every hook answers, if not success.
    fails: Option<HookError>,
    /// A hook that components do not export.
    lacks: Option<&'static str>,
}

impl Recording {
    /// Every hook fails.
    pub(crate) fn failing(error: HookError) -> Self {
        Self { fails: Some(error), ..Self::default() }
    }

    /// Components do not export this hook.
    pub(crate) fn without(hook: &'static str) -> Self {
        Self { lacks: Some(hook), ..Self::default() }
    }

    pub(crate) fn called(&self) -> Vec<HookCall> {
        self.called.lock().unwrap().clone()
    }
}

#[async_trait]
impl Applets for Recording {
    async fn inspect(&self, component: &[u8]) -> Result<ComponentReport, Failure> {
        Ok(ComponentReport {
            digest: ComponentDigest::of(component),
            imports: vec!["applet:host/db@0.1.0".to_owned()],
            exports: ["on-install", "on-upgrade", "on-uninstall", "on-enable", "on-disable"]
                .into_iter()
                .filter(|hook| self.lacks != Some(hook))
                .map(|hook| format!("applet:host/{hook}@0.1.0"))
                .collect(),
        })
    }

    async fn call(
        &self,
        _component: ComponentDigest,
        call: Arc<Invocation>,
        hook: HookCall,
    ) -> Result<String, HookError> {
        assert!(call.time_left(Instant::now()).is_ok());
        self.called.lock().unwrap().push(hook);
        self.fails.clone().map_or(Ok(String::new()), Err)
    }
}

/// A host on a database.
pub(crate) struct Host {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) store: Store,
    pub(crate) applets: Arc<Recording>,
}

impl Host {
    pub(crate) async fn on(url: &str) -> Self {
        Self::with(url, Faults::default(), Recording::default()).await
    }

    pub(crate) async fn with(url: &str, faults: Faults, applets: Recording) -> Self {
        Self::under(InstallPolicy::default(), url, faults, applets).await
    }

    /// A host whose operator has written a policy.
    pub(crate) async fn under(policy: InstallPolicy, url: &str, faults: Faults, applets: Recording) -> Self {
        let store = Store::connect(url).await.unwrap();
        store.migrate().await.unwrap();
        for number in [1, 2] {
            let home =
                Workspace { id: workspace(number), tenant: tenant(number), name: format!("Home {number}") };
            assert!(store.ensure_workspace(&home).await.unwrap());
        }
        let applets = Arc::new(applets);
        let parts = Parts {
            store: store.clone(),
            admin_url: Secret::new(url),
            catalog: CatalogOptions::default(),
            applets: Arc::clone(&applets) as Arc<dyn Applets>,
            limits: Limits::default(),
            manifests: ManifestLimits::default(),
            policy,
            now: Instant::now,
            faults,
        };
        Self { lifecycle: Lifecycle::new(parts), store, applets }
    }

    pub(crate) async fn submit(&self, manifest: &str) {
        let package = Package::new(manifest, COMPONENT);
        self.lifecycle.submit(&admin(1), &package, &Source::File).await.unwrap();
    }

    pub(crate) async fn plan(&self, number: u128) -> Planned {
        self.plan_of(number, "ai-chat").await.unwrap()
    }

    pub(crate) async fn plan_of(&self, number: u128, id: &str) -> Result<Planned, LifecycleError> {
        self.lifecycle.plan(&admin(number), workspace(number), &applet(id), None).await
    }

    pub(crate) async fn approve(&self, number: u128, planned: &Planned) {
        let decision = Decision::everything(planned.record.id);
        let id = planned.manifest.id();
        self.lifecycle.approve(&admin(number), workspace(number), id, &decision).await.unwrap();
    }

    pub(crate) async fn install(&self, number: u128) -> Result<InstallReport, LifecycleError> {
        self.install_of(number, "ai-chat").await
    }

    pub(crate) async fn install_of(&self, number: u128, id: &str) -> Result<InstallReport, LifecycleError> {
        self.lifecycle.install(&admin(number), workspace(number), &applet(id), &Silent).await
    }

    /// From the package to an active installation.
    pub(crate) async fn installed(&self, number: u128) -> InstallReport {
        self.submit(MANIFEST).await;
        let planned = self.plan(number).await;
        self.approve(number, &planned).await;
        self.install(number).await.unwrap()
    }

    /// Where the applet stands in a tenant's workspace.
    pub(crate) async fn state(&self, number: u128) -> State {
        let status =
            self.store.installation(tenant(number), workspace(number), &applet("ai-chat")).await.unwrap();
        status.unwrap().state
    }

    /// Whether hooks can be called.
    pub(crate) async fn is_active(&self, number: u128) -> bool {
        let found = self
            .store
            .active_installation(tenant(number), workspace(number), &applet("ai-chat"))
            .await
            .unwrap();
        found.is_some()
    }
}

pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId::new(Uuid::from_u128(0x7e_0000 + number))
}

pub(crate) fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::new(Uuid::from_u128(0x30_0000 + number))
}

pub(crate) fn applet(text: &str) -> AppletId {
    text.parse().unwrap()
}

/// Somebody of a tenant.
pub(crate) fn somebody(number: u128, standing: Standing) -> OpContext {
    OpContext {
        request: RequestId::new(Uuid::from_u128(number)),
        tenant: tenant(number),
        actor: Actor::User(UserId::new(Uuid::from_u128(0xad_0000 + number))),
        standing,
    }
}

/// An admin of a tenant.
pub(crate) fn admin(number: u128) -> OpContext {
    somebody(number, Standing::Admin)
}
