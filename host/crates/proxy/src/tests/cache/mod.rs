//! The read cache, on a real PostgreSQL and a real Redis.

mod coherence;
mod faults;
mod reads;
mod speed;
mod transport;

use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_types::{
    CacheLimits, Database as _, Encoding, Failure, HostLimits, InstallationId, Invocation, Limits, Login,
    Outcome, Secret, Statement, TenantId, Value,
};
use uuid::Uuid;

use crate::testing::{Cluster, Database, Recorder, TestLogins, catalog, grants, invocation};
use crate::{CacheConfig, CacheCounts, Proxy, ProxyConfig, QueryCache, RedisServers};

/// A host: a proxy with a cache of its own.
struct Host {
    proxy: Proxy,
    cache: QueryCache,
    recorder: Arc<Recorder>,
}

fn database() -> Database {
    Cluster::shared().database()
}

impl Host {
    fn start(database: &Database, redis: Option<&str>) -> Self {
        Self::with(database, redis, HostLimits::default())
    }

    fn with(database: &Database, redis: Option<&str>, limits: HostLimits) -> Self {
        let redis = redis.map(|url| RedisServers::parse(url, None, false).unwrap());
        Self::beside(database, redis, limits)
    }

    fn beside(database: &Database, redis: Option<RedisServers>, mut limits: HostLimits) -> Self {
        limits.queue_wait_ms = 10_000;
        limits.queue_length = 1_000;
        let cache = QueryCache::start(CacheConfig {
            target: database.target(),
            login: Login { role: "postgres".to_owned(), password: Secret::new("") },
            secret: [42; 32],
            redis,
            limits: limits.clone(),
            writes: true,
        });
        let recorder = Arc::new(Recorder::default());
        let mut config =
            ProxyConfig::new(database.target(), Arc::new(catalog()), Arc::new(TestLogins), recorder.clone());
        config.limits = limits;
        config.cache = Some(cache.clone());
        Self { proxy: Proxy::new(config), cache, recorder }
    }

    async fn query(&self, call: &Invocation, sql: &str, parameters: &[Value]) -> Result<Outcome, Failure> {
        let statement = Statement { sql: sql.to_owned(), parameters: parameters.to_vec() };
        self.proxy.query(call, &statement, Encoding::Json).await
    }

    async fn json(&self, call: &Invocation, sql: &str, parameters: &[Value]) -> serde_json::Value {
        super::json(&self.query(call, sql, parameters).await.unwrap())
    }

    fn counts(&self) -> CacheCounts {
        self.cache.status().counts
    }

    /// Answers that did not come from the database.
    fn hits(&self) -> u64 {
        self.counts().memory_hits + self.counts().redis_hits
    }

    /// Waits until the same question twice is answered from the cache.
    async fn warm(&self) {
        let patience = Instant::now() + Duration::from_secs(30);
        let before = self.hits();
        while self.hits() == before {
            assert!(Instant::now() < patience, "nothing is ever cached: {:?}", self.cache.status());
            self.query(&caching(crate::testing::A), "SELECT max(id) FROM clients", &[]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// An invocation whose reads may be cached.
fn caching(tenant: TenantId) -> Invocation {
    cached_for(tenant, CacheLimits { ttl_s: 30, entries: 10_000 })
}

fn cached_for(tenant: TenantId, cache: CacheLimits) -> Invocation {
    let mut call = invocation("applet-one", tenant, grants());
    call.limits = Arc::new(Limits { cache: Some(cache), ..Limits::default() });
    call.installation = InstallationId::new(Uuid::from_u128(tenant.as_uuid().as_u128() ^ 1));
    call
}

fn is_long() -> bool {
    std::env::var_os("APPLET_LONG").is_some()
}
