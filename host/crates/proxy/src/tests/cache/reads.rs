//! What is cached, for whom and for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_types::{CacheLimits, Database as _, Encoding, ErrorCode, Limits, Statement, Value};
use serde_json::json;

use super::{Host, cached_for, caching, database};
use crate::testing::{A, B, invocation};
use crate::testing_redis::Redis;

const BY_ID: &str = "SELECT name, age FROM clients WHERE id = $1";

#[tokio::test]
async fn s4_62_a_read_is_answered_from_the_cache_until_an_applet_writes() {
    let redis = Redis::start();
    for url in [None, Some(redis.url())] {
        let database = database();
        let host = Host::start(&database, url.as_deref());
        host.warm().await;
        let call = caching(A);
        let before = host.hits();
        for _ in 0..3 {
            assert_eq!(host.json(&call, BY_ID, &[Value::Integer(1)]).await, json!([["client 1", 1]]));
        }
        assert_eq!(host.hits(), before + 2, "{:?}", host.cache.status());
        database.sql("UPDATE clients SET age = 70");
        assert_eq!(
            host.json(&call, BY_ID, &[Value::Integer(1)]).await,
            json!([["client 1", 1]]),
            "from the cache"
        );
        host.query(&call, "UPDATE clients SET name = 'x' WHERE id = 1", &[]).await.unwrap();
        assert_eq!(
            host.json(&call, BY_ID, &[Value::Integer(1)]).await,
            json!([["x", 70]]),
            "read your writes"
        );
        let batch = [
            Statement { sql: "UPDATE clients SET name = 'y' WHERE id = 1".into(), parameters: vec![] },
            Statement { sql: BY_ID.into(), parameters: vec![Value::Integer(1)] },
        ];
        host.proxy.batch(&call, &batch, Encoding::Json).await.unwrap();
        assert_eq!(host.json(&call, BY_ID, &[Value::Integer(1)]).await, json!([["y", 70]]));
        let mut transaction = host.proxy.begin(&call).await.unwrap();
        let set = Statement { sql: "UPDATE clients SET name = 'z' WHERE id = 1".into(), parameters: vec![] };
        transaction.query(&set, Encoding::Json).await.unwrap();
        let read = transaction.query(&batch[1], Encoding::Json).await.unwrap();
        assert_eq!(super::super::json(&read), json!([["z", 70]]), "a transaction reads its own");
        transaction.commit().await.unwrap();
        assert_eq!(host.json(&call, BY_ID, &[Value::Integer(1)]).await, json!([["z", 70]]));
        assert_eq!(host.counts().unannounced, 0);
        host.proxy.close().await;
    }
}

#[tokio::test]
async fn s4_66_no_answer_crosses_tenants_applets_or_grants() {
    let redis = Redis::start();
    let database = database();
    database.sql("UPDATE clients SET name = 'canary of ' || tenant_id");
    let hosts = [Host::start(&database, Some(&redis.url())), Host::start(&database, Some(&redis.url()))];
    for host in &hosts {
        host.warm().await;
    }
    let all = "SELECT DISTINCT name FROM clients";
    for round in 0..20 {
        for tenant in [A, B] {
            let host = &hosts[round % 2];
            let rows = host.json(&caching(tenant), all, &[]).await;
            assert_eq!(rows, json!([[format!("canary of {tenant}")]]));
        }
    }
    assert!(hosts.iter().map(Host::hits).sum::<u64>() > 20);
    let before = hosts[0].hits();
    let mut other = caching(A);
    other.applet = "applet-two".parse().unwrap();
    hosts[0].json(&other, all, &[]).await;
    assert_eq!(hosts[0].hits(), before, "another applet asks for itself");
    assert!(!redis.cli(&["--scan"]).contains("clients"), "names of tables are hidden");
}

#[tokio::test]
async fn s4_63_what_others_change_is_seen_after_the_ttl() {
    let redis = Redis::start();
    for url in [None, Some(redis.url())] {
        let database = database();
        let host = Host::start(&database, url.as_deref());
        host.warm().await;
        let call = cached_for(A, CacheLimits { ttl_s: 1, entries: 10 });
        let started = Instant::now();
        host.json(&call, BY_ID, &[Value::Integer(1)]).await;
        database.sql("UPDATE clients SET age = 70 WHERE id = 1");
        while host.json(&call, BY_ID, &[Value::Integer(1)]).await != json!([["client 1", 70]]) {
            assert!(started.elapsed() < Duration::from_secs(10), "stale beyond the ttl");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn s4_64_answers_and_bytes_have_a_limit() {
    let database = database();
    database.sql("INSERT INTO clients (tenant_id, name) SELECT tenant_id, repeat('x', 300000) FROM clients WHERE id = 1");
    let host = Host::start(&database, None);
    host.warm().await;
    let call = cached_for(B, CacheLimits { ttl_s: 30, entries: 3 });
    for _ in 0..2 {
        for id in 51..=60 {
            host.json(&call, BY_ID, &[Value::Integer(id)]).await;
        }
    }
    let (hits, refused) = (host.hits(), host.counts().refused);
    assert!(refused >= 14, "three of ten are kept, the others refused: {:?}", host.cache.status());
    let large = "SELECT name FROM clients WHERE length(name) > 1000";
    let call = caching(A);
    for _ in 0..3 {
        host.json(&call, large, &[]).await;
    }
    assert_eq!(host.hits(), hits, "a large answer is not kept");
}

#[tokio::test]
async fn s4_62_only_who_asks_for_it_and_only_what_may_be() {
    let database = database();
    let host = Host::start(&database, None);
    host.warm().await;
    let (hits, plain) = (host.hits(), invocation("applet-one", A, crate::testing::grants()));
    for _ in 0..3 {
        host.json(&plain, BY_ID, &[Value::Integer(1)]).await;
        host.json(&caching(A), "SELECT name, now() FROM clients WHERE id = 1", &[]).await;
        host.json(&caching(A), "SELECT 1", &[]).await;
    }
    assert_eq!(host.hits(), hits);
    let holding = caching(A);
    let transaction = host.proxy.begin(&holding).await.unwrap();
    for _ in 0..2 {
        host.json(&holding, BY_ID, &[Value::Integer(1)]).await;
    }
    assert_eq!(host.hits(), hits, "not beside an open transaction");
    transaction.rollback().await.unwrap();
}

#[tokio::test]
async fn s4_60_budgets_and_the_trail_count_cached_rows_as_well() {
    let database = database();
    let host = Host::start(&database, None);
    host.warm().await;
    let mut call = caching(A);
    let mut limits = Limits::clone(&call.limits);
    limits.execution.invocation_result_bytes = 1_000;
    limits.execution.statements = 10;
    call.limits = Arc::new(limits);
    let recorded = host.recorder.records.lock().unwrap().len();
    let rows = "SELECT name FROM clients ORDER BY id";
    host.query(&call, rows, &[]).await.unwrap();
    let hits = host.hits();
    let failure = host.query(&call, rows, &[]).await.unwrap_err();
    assert_eq!((failure.code, host.hits()), (ErrorCode::BudgetSpent, hits + 1));
    for _ in 0..8 {
        let _ = host.query(&call, rows, &[]).await;
    }
    let failure = host.query(&call, rows, &[]).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::TooManyStatements);
    let records = host.recorder.records.lock().unwrap();
    let mine: Vec<_> = records.iter().skip(recorded).collect();
    assert_eq!(mine.len(), 11, "every read is recorded, wherever it came from");
    assert!(mine[0].error.is_none() && mine[0].rows == 50 && mine[0].operation.as_str() == "read");
}

#[tokio::test]
async fn g26_many_who_ask_the_same_ask_the_database_once() {
    let database = database();
    let host = Arc::new(Host::start(&database, None));
    host.warm().await;
    let before = host.counts();
    let mut asking = Vec::new();
    for id in 1..=20 {
        for _ in 0..20 {
            let host = Arc::clone(&host);
            asking.push(tokio::spawn(
                async move { host.json(&caching(A), BY_ID, &[Value::Integer(id)]).await },
            ));
        }
    }
    for asked in asking {
        assert_eq!(asked.await.unwrap().as_array().unwrap().len(), 1);
    }
    let counts = host.counts();
    assert_eq!(counts.misses - before.misses, 20, "{counts:?}");
    assert_eq!(counts.passed, before.passed, "{counts:?}");
}

#[tokio::test]
async fn d8_without_redis_two_hosts_cache_nothing_and_one_alone_does() {
    let database = database();
    let first = Host::start(&database, None);
    first.warm().await;
    let call = caching(A);
    first.json(&call, BY_ID, &[Value::Integer(1)]).await;
    first.json(&call, BY_ID, &[Value::Integer(1)]).await;
    let second = Host::start(&database, None);
    for round in 0..20 {
        let set = "UPDATE clients SET age = $1 WHERE id = 1";
        second.query(&call, set, &[Value::Integer(round)]).await.unwrap();
        for host in [&first, &second] {
            let read = host.json(&call, BY_ID, &[Value::Integer(1)]).await;
            assert_eq!(read, json!([["client 1", round]]), "round {round}");
        }
    }
    let hits = first.hits();
    first.json(&call, BY_ID, &[Value::Integer(1)]).await;
    assert_eq!(first.hits(), hits, "not while there are two");
    second.proxy.close().await;
    first.warm().await;
    assert_eq!(first.json(&call, BY_ID, &[Value::Integer(1)]).await, json!([["client 1", 19]]));
    assert!(first.cache.clear().await);
    let misses = first.counts().misses;
    first.warm().await;
    assert!(first.counts().misses > misses, "cleared");
}
