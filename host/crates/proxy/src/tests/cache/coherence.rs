//! Two hosts that share a database and a Redis: nothing stale, nothing foreign.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use applet_types::{TenantId, Value};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng};

use super::{Host, caching, database, is_long};
use crate::testing::{A, B, Database};
use crate::testing_redis::{Redis, RedisCluster};

/// Rows that are read and written, of each tenant.
const ROWS: usize = 8;
/// Tasks of each host.
const TASKS: usize = 6;

/// What must be seen of each row: the newest version whose write has returned.
pub(super) struct Workload {
    hosts: Vec<Host>,
    seed: u64,
    /// Of each tenant and row.
    committed: Vec<AtomicI64>,
    writers: Vec<tokio::sync::Mutex<i64>>,
    operations: AtomicU64,
    pub(super) stop: AtomicBool,
}

const TENANTS: [TenantId; 2] = [A, B];

impl Workload {
    pub(super) async fn new(database: &Database, urls: &[&str]) -> Arc<Self> {
        database.sql("UPDATE clients SET age = 0, name = 'canary of ' || tenant_id || ' ' || (id - 1) % 50");
        let seed = std::env::var("APPLET_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(rand::random);
        eprintln!("seed: APPLET_SEED={seed}");
        let hosts: Vec<Host> = urls.iter().map(|url| Host::start(database, Some(url))).collect();
        for host in &hosts {
            host.warm().await;
        }
        Arc::new(Self {
            hosts,
            seed,
            committed: (0..ROWS * 2).map(|_| AtomicI64::new(0)).collect(),
            writers: (0..ROWS * 2).map(|_| tokio::sync::Mutex::new(0)).collect(),
            operations: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        })
    }

    pub(super) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Reads and writes until there were so many, or somebody says stop.
    pub(super) async fn run(self: &Arc<Self>, most: u64) {
        let mut tasks = Vec::new();
        for task in 0..self.hosts.len() * TASKS {
            let this = Arc::clone(self);
            let random = SmallRng::seed_from_u64(self.seed.wrapping_add(task as u64));
            tasks.push(tokio::spawn(async move { this.work(task, random, most).await }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }

    async fn work(&self, task: usize, mut random: SmallRng, most: u64) {
        let host = &self.hosts[task % self.hosts.len()];
        while self.operations.fetch_add(1, Ordering::Relaxed) < most && !self.stop.load(Ordering::Relaxed) {
            let (tenant, row) = (random.random_range(0..2), random.random_range(0..ROWS));
            match random.random_range(0..100) {
                0..5 => self.write(host, tenant, row).await,
                5..20 => self.read_all(host, tenant).await,
                _ => self.read_one(host, tenant, row).await,
            }
        }
    }

    async fn write(&self, host: &Host, tenant: usize, row: usize) {
        let mut version = self.writers[tenant * ROWS + row].lock().await;
        *version += 1;
        let sql = "UPDATE clients SET age = $1 WHERE name = $2";
        let parameters = [Value::Integer(*version), Value::Text(canary(TENANTS[tenant], row))];
        let written = host.query(&caching(TENANTS[tenant]), sql, &parameters).await;
        assert_eq!(written.expect("no write fails").affected, 1);
        self.committed[tenant * ROWS + row].store(*version, Ordering::SeqCst);
    }

    async fn read_one(&self, host: &Host, tenant: usize, row: usize) {
        let expected = self.committed[tenant * ROWS + row].load(Ordering::SeqCst);
        let sql = "SELECT name, age FROM clients WHERE name = $1";
        let name = canary(TENANTS[tenant], row);
        let read = host.query(&caching(TENANTS[tenant]), sql, &[Value::Text(name.clone())]).await;
        let rows = super::super::json(&read.expect("no read fails"));
        assert_eq!(rows[0][0], name, "somebody else's row");
        let age = rows[0][1].as_i64().unwrap();
        assert!(age >= expected, "stale: {age} after {expected} was written (seed {})", self.seed);
    }

    async fn read_all(&self, host: &Host, tenant: usize) {
        let expected: Vec<i64> =
            (0..ROWS).map(|row| self.committed[tenant * ROWS + row].load(Ordering::SeqCst)).collect();
        let sql = "SELECT name, age FROM clients WHERE name LIKE 'canary of %' ORDER BY id LIMIT 8";
        let read = host.query(&caching(TENANTS[tenant]), sql, &[]).await;
        let rows = super::super::json(&read.expect("no read fails"));
        for (row, expected) in expected.into_iter().enumerate() {
            assert_eq!(rows[row][0], canary(TENANTS[tenant], row), "somebody else's row");
            let age = rows[row][1].as_i64().unwrap();
            assert!(age >= expected, "stale: {age} after {expected} was written (seed {})", self.seed);
        }
    }
}

fn canary(tenant: TenantId, row: usize) -> String {
    format!("canary of {tenant} {row}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_two_hosts_read_their_own_and_each_others_writes() {
    let (database, redis) = (database(), Redis::start());
    let workload = Workload::new(&database, &[&redis.url(), &redis.url()]).await;
    let operations = if is_long() { 200_000 } else { 10_000 };
    workload.run(operations).await;
    for host in workload.hosts() {
        let counts = host.counts();
        eprintln!("{counts:?}");
        assert!(host.hits() > 50, "the cache was used: {counts:?}");
        assert_eq!((counts.forged, counts.out_of_step), (0, 0), "no false alarm");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f6_the_same_on_a_cluster_of_three() {
    let (database, cluster) = (database(), RedisCluster::start());
    let workload = Workload::new(&database, &[&cluster.url(), &cluster.url()]).await;
    let operations = if is_long() { 50_000 } else { 3_000 };
    workload.run(operations).await;
    for host in workload.hosts() {
        let counts = host.counts();
        eprintln!("{counts:?}");
        assert!(host.hits() > 50, "the cache was used: {counts:?}");
        assert_eq!((counts.forged, counts.out_of_step), (0, 0), "no false alarm");
    }
    let used = cluster.sizes().into_iter().filter(|size| *size > 0).count();
    assert!(used >= 2, "tenants are spread over the nodes: {:?}", cluster.sizes());
}
