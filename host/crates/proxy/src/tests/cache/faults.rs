//! A Redis that dies, stops, forgets, is slow, answers the wrong question or lies: no call fails, nothing wrong
//! is served.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt as _;
use tokio::time::sleep;

use super::coherence::Workload;
use super::{database, is_long};
use crate::testing_redis::{Redis, Relay};

/// Runs the workload beside `harm`, which is repeated.
async fn beside(workload: &Arc<Workload>, harm: impl AsyncFn()) {
    let rounds = if is_long() { 40 } else { 4 };
    let working = tokio::spawn({
        let workload = Arc::clone(workload);
        async move { workload.run(u64::MAX).await }
    });
    for _ in 0..rounds {
        harm().await;
        assert!(!working.is_finished(), "the workload has failed");
    }
    workload.stop.store(true, Ordering::Relaxed);
    working.await.unwrap();
    for host in workload.hosts() {
        eprintln!("{:?} of {} operations", host.counts(), workload.operations());
    }
}

async fn comes_back(workload: &Workload) {
    for host in workload.hosts() {
        host.warm().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g24_redis_is_killed_and_started_again() {
    let (database, redis) = (database(), Redis::start());
    let workload = Workload::new(&database, &[&redis.url(), &redis.url()]).await;
    beside(&workload, async || {
        sleep(Duration::from_millis(300)).await;
        redis.kill();
        sleep(Duration::from_millis(300)).await;
        redis.boot();
    })
    .await;
    comes_back(&workload).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g24_redis_is_stopped_and_goes_on() {
    let (database, redis) = (database(), Redis::start());
    let workload = Workload::new(&database, &[&redis.url(), &redis.url()]).await;
    beside(&workload, async || {
        sleep(Duration::from_millis(400)).await;
        redis.signal("-STOP");
        let stopped = rand::rng().random_range(10..500);
        sleep(Duration::from_millis(stopped)).await;
        redis.signal("-CONT");
    })
    .await;
    comes_back(&workload).await;
    assert!(workload.hosts().iter().any(|host| host.counts().timeouts > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g24_redis_is_paused_again_and_again() {
    let (database, redis) = (database(), Redis::start());
    let workload = Workload::new(&database, &[&redis.url(), &redis.url()]).await;
    beside(&workload, async || {
        for _ in 0..5 {
            sleep(Duration::from_millis(60)).await;
            let pause = rand::rng().random_range(5..60).to_string();
            redis.cli(&["CLIENT", "PAUSE", &pause, "ALL"]);
        }
    })
    .await;
    comes_back(&workload).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g24_redis_forgets_everything_every_50_ms() {
    let (database, redis) = (database(), Redis::start());
    let workload = Workload::new(&database, &[&redis.url(), &redis.url()]).await;
    let mut client = redis.client().await;
    let client = tokio::sync::Mutex::new(&mut client);
    beside(&workload, async || {
        for _ in 0..10 {
            sleep(Duration::from_millis(50)).await;
            redis::cmd("FLUSHALL").exec_async(&mut **client.lock().await).await.unwrap();
        }
    })
    .await;
    comes_back(&workload).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g24_redis_is_full_and_then_not() {
    let (database, redis) = (database(), Redis::start());
    let workload = Workload::new(&database, &[&redis.url(), &redis.url()]).await;
    beside(&workload, async || {
        sleep(Duration::from_millis(300)).await;
        redis.cli(&["CONFIG", "SET", "maxmemory", "1kb"]);
        sleep(Duration::from_millis(300)).await;
        redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    })
    .await;
    comes_back(&workload).await;
    assert!(workload.hosts().iter().any(|host| host.counts().errors > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g25_answers_out_of_step_are_found_out() {
    let (database, redis) = (database(), Redis::start());
    let relays = [Relay::start(&redis).await, Relay::start(&redis).await];
    let workload = Workload::new(&database, &[&relays[0].url(), &relays[1].url()]).await;
    beside(&workload, async || {
        for by in 1..=9 {
            sleep(Duration::from_millis(50)).await;
            relays[by % 2].shift(u32::try_from(by).unwrap());
        }
    })
    .await;
    comes_back(&workload).await;
    let found: u64 = workload.hosts().iter().map(|host| host.counts().out_of_step).sum();
    assert!(found > 0, "each shift is found out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g25_values_that_somebody_swaps_are_found_out() {
    let (database, redis) = (database(), Redis::start());
    let workload = Workload::new(&database, &[&redis.url(), &redis.url()]).await;
    let mut client = redis.client().await;
    let client = tokio::sync::Mutex::new(&mut client);
    beside(&workload, async || {
        for _ in 0..10 {
            sleep(Duration::from_millis(40)).await;
            let client = &mut **client.lock().await;
            let keys: Vec<String> = redis::cmd("KEYS").arg("*:applet:a:*").query_async(client).await.unwrap();
            if keys.len() < 2 {
                continue;
            }
            let values: Vec<Option<Vec<u8>>> =
                redis::cmd("MGET").arg(&keys).query_async(client).await.unwrap();
            let by = rand::rng().random_range(1..keys.len());
            for (key, value) in keys.iter().zip(values.iter().cycle().skip(by)) {
                if let Some(value) = value {
                    redis::cmd("SET")
                        .arg(key)
                        .arg(value)
                        .arg("PX")
                        .arg(5_000)
                        .exec_async(client)
                        .await
                        .unwrap();
                }
            }
        }
    })
    .await;
    comes_back(&workload).await;
    let found: u64 = workload.hosts().iter().map(|host| host.counts().forged).sum();
    assert!(found > 0, "swapped values are found out and counted");
}
