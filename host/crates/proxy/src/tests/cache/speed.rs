//! How long a read of 100 rows takes from the database, from Redis and from memory, by the same proxy.
//!
//! `host/with-postgres.sh cargo nextest run --workspace --run-ignored only -E 'test(cached_read_of_100_rows)' --no-capture`

use std::time::{Duration, Instant};

use applet_types::{Database as _, Encoding, HostLimits, Invocation, Statement};

use super::{Host, caching, database};
use crate::testing::{A, invocation};
use crate::testing_redis::Redis;

const BLOCKS: usize = 30;
const READS: u32 = 100;

async fn block(host: &Host, call: impl Fn() -> Invocation) -> Duration {
    let statement =
        Statement { sql: "SELECT id, name, age, email FROM clients ORDER BY id".into(), parameters: vec![] };
    let started = Instant::now();
    for _ in 0..READS {
        let outcome = host.proxy.query(&call(), &statement, Encoding::Packed).await.unwrap();
        assert_eq!(outcome.rows.count, 100);
    }
    started.elapsed() / READS
}

fn quartile(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 4]
}

#[tokio::test]
#[ignore = "figures, not a check"]
async fn cached_read_of_100_rows() {
    let redis = Redis::start();
    let nothing_in_memory = HostLimits { cache_bytes: 0, ..HostLimits::default() };
    let arms = [
        ("postgresql", None, HostLimits::default()),
        ("memory", None, HostLimits::default()),
        ("redis, rows from memory", Some(redis.url()), HostLimits::default()),
        ("redis, rows from redis", Some(redis.url()), nothing_in_memory),
    ];
    let mut hosts = Vec::new();
    for (name, url, limits) in arms {
        let database = database();
        database.sql("INSERT INTO clients (tenant_id, name, age, email) SELECT tenant_id, name, age, email || 'x' FROM clients");
        let host = Host::with(&database, url.as_deref(), limits);
        host.warm().await;
        hosts.push((name, host, database, Vec::new()));
    }
    for _ in 0..BLOCKS {
        for (name, host, _, times) in &mut hosts {
            let plain = *name == "postgresql";
            let call =
                || if plain { invocation("applet-one", A, crate::testing::grants()) } else { caching(A) };
            times.push(block(host, call).await);
        }
    }
    let base = quartile(hosts[0].3.clone());
    for (name, host, _, times) in hosts {
        let time = quartile(times);
        println!(
            "{name:26} {time:>10.1?}  x{:.3}  {:?}",
            time.as_secs_f64() / base.as_secs_f64(),
            host.counts()
        );
    }
}
