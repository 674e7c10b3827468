//! A prepared database, a host without HTTP in front of it, and a plain connection beside it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_catalog::Catalog;
use applet_datasource::catalog::CatalogOptions;
use applet_datasource::wall::{self, Keys, Preparation, Purpose};
use applet_datasource::{Admin, catalog};
use applet_manifest::ValidatedManifest;
use applet_proxy::{
    AuditQueue, AuditWriter, CacheConfig, Proxy, ProxyConfig, QueryCache, RedisServers, Target,
};
use applet_runtime::{CompilerProgram, Runtime, RuntimeConfig, RuntimeLimits, TracingLog};
use applet_tests::host::{guest, repository};
use applet_tests::{Database, applet};
use applet_types::{
    Actor, Applets, AuditRecord, AuditSink, Budget, ComponentDigest, Failure, Grants, HookCall, HostLimits,
    InstallationId, Invocation, Limits, RequestId, TenantId, WorkspaceId,
};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use crate::native;

/// The tenant that is asked for most; its neighbour is the next one.
pub(crate) const TENANT: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0001);
pub(crate) const NEIGHBOUR: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0002);

/// Everything that is measured, on one thread.
pub(crate) struct Bench {
    pub(crate) tokio: tokio::runtime::Runtime,
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) keys: Keys,
    pub(crate) manifest: ValidatedManifest,
    pub(crate) grants: Arc<Grants>,
    pub(crate) proxy: Proxy,
    pub(crate) unaudited: Proxy,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) component: ComponentDigest,
    pub(crate) audit: AuditWriter,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio.block_on(Self::build()).finish(tokio)
    }

    async fn build() -> Parts {
        let database = Database::empty().await;
        database.run(&read("host/demo/schema.sql")).await;
        database.run(&read("tests/bench/seed.sql")).await;
        let manifest = applet_manifest::load(read("tests/guests/bench/manifest.yaml").as_bytes()).unwrap();
        let grants = Arc::new(manifest.requested());
        let mut admin = Admin::connect(&database.url()).await.unwrap();
        let options = CatalogOptions::default();
        let read = catalog::read(&mut admin, &options).await.unwrap().catalog;
        let preparation = Preparation {
            applet: manifest.id(),
            grants: &grants,
            catalog: &read,
            options: &options,
            bypass: false,
            purpose: Purpose::Installation,
        };
        let keys = wall::prepare(&mut admin, &preparation).await.unwrap().keys;
        admin.close().await.unwrap();
        Parts { database, catalog: Arc::new(read), keys, manifest, grants }
    }

    /// A call with everything that a host gives it.
    pub(crate) fn call_of(&self, tenant: Uuid) -> Invocation {
        invocation(&self.manifest, &self.grants, tenant)
    }

    /// Calls a hook.
    pub(crate) fn hook(&self, name: &str, payload: &str, call: Invocation) -> String {
        let hook = HookCall::Named { name: name.parse().unwrap(), payload: payload.to_owned() };
        self.tokio.block_on(self.runtime.call(self.component, Arc::new(call), hook)).unwrap()
    }

    /// A host of its own on the same database that caches, in Redis or in memory.
    pub(crate) fn caching(&self, redis: Option<RedisServers>, limits: HostLimits) -> Proxy {
        let _inside = self.tokio.enter();
        let cache = QueryCache::start(CacheConfig {
            target: target(&self.database),
            login: self.keys.cache_login(),
            secret: self.keys.cache_key(),
            redis,
            limits: limits.clone(),
            writes: false,
        });
        let mut config = self.proxy_config();
        config.limits = limits;
        config.cache = Some(cache);
        Proxy::new(config)
    }

    /// A host that writes no audit trail.
    pub(crate) fn proxy_config(&self) -> ProxyConfig {
        let (catalog, logins) = (Arc::clone(&self.catalog), Arc::new(self.keys.clone()));
        let mut config = ProxyConfig::new(target(&self.database), catalog, logins, Arc::new(Unwritten));
        config.audit = None;
        config
    }

    /// A session as a careful team would open it by hand: not a superuser's, row security bound.
    pub(crate) fn native(&self) -> PgConnection {
        self.tokio.block_on(native::connect(&self.native_url()))
    }

    pub(crate) fn native_url(&self) -> String {
        self.database.url().replacen("postgres@", "native_server@", 1)
    }
}

struct Parts {
    database: Database,
    catalog: Arc<Catalog>,
    keys: Keys,
    manifest: ValidatedManifest,
    grants: Arc<Grants>,
}

impl Parts {
    fn finish(self, tokio: tokio::runtime::Runtime) -> Bench {
        let Self { database, catalog, keys, manifest, grants } = self;
        let inside = tokio.enter();
        let target = target(&database);
        let (queue, audit) = AuditQueue::start(target.clone(), keys.audit_login(), 10_000, false);
        let mut config =
            ProxyConfig::new(target, Arc::clone(&catalog), Arc::new(keys.clone()), Arc::new(queue));
        let proxy = Proxy::new(config.clone());
        config.audit = None;
        let unaudited = Proxy::new(config);
        drop(inside);
        let runtime = Runtime::new(RuntimeConfig {
            cache_dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-components"),
            compiler: CompilerProgram { program: applet(), arguments: vec!["applet-host:compile".into()] },
            database: Arc::new(proxy.clone()),
            log: Arc::new(TracingLog),
            limits: RuntimeLimits::default(),
        })
        .unwrap();
        let bytes = std::fs::read(guest("guest_bench")).unwrap();
        let component = tokio.block_on(runtime.inspect(&bytes)).unwrap().digest;
        tokio.block_on(database.run(
            "CREATE ROLE native_server LOGIN IN ROLE applet_guest;
             GRANT SELECT, INSERT ON clients TO native_server;
             GRANT INSERT ON native_audit TO native_server;
             GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO native_server;",
        ));
        let runtime = Arc::new(runtime);
        Bench {
            tokio,
            database,
            catalog,
            keys,
            manifest,
            grants,
            proxy,
            unaudited,
            runtime,
            component,
            audit,
        }
    }
}

/// A call of `manifest`'s applet for `tenant`.
pub(crate) fn invocation(manifest: &ValidatedManifest, grants: &Arc<Grants>, tenant: Uuid) -> Invocation {
    let limits = Limits::default();
    Invocation {
        request: RequestId::new(Uuid::nil()),
        tenant: TenantId::new(tenant),
        workspace: WorkspaceId::new(Uuid::nil()),
        applet: manifest.id().clone(),
        version: manifest.version().clone(),
        installation: InstallationId::new(Uuid::nil()),
        actor: Actor::Platform,
        locale: "en".to_owned(),
        grants: Arc::clone(grants),
        deadline: Instant::now() + Duration::from_millis(limits.execution.wall_ms),
        limits: Arc::new(limits),
        variables: Arc::default(),
        budget: Arc::new(Budget::default()),
    }
}

/// Nothing is audited where something else is measured.
struct Unwritten;

#[async_trait::async_trait]
impl AuditSink for Unwritten {
    async fn record(&self, _: AuditRecord) -> Result<(), Failure> {
        Ok(())
    }
}

/// Where the sessions of applets go: the same socket that sqlx uses.
fn target(database: &Database) -> Target {
    let options: PgConnectOptions = database.url().parse().unwrap();
    Target::unix(options.get_socket().unwrap(), options.get_port(), database.name())
}

fn read(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap()
}
