//! Caps under load, dropped futures, a server that goes away: what must hold whatever happens.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use applet_catalog::Catalog;
use applet_gate::StatementKind::{Insert, Select};
use applet_types::{Encoding, ErrorCode, Failure, Grants, Invocation, Outcome, TenantId, Value};
use uuid::Uuid;

use super::scoped;
use crate::execute::Executable;
use crate::testing::{A, B, Cluster, Database, Recorder, TestLogins, invocation};
use crate::trail::Trail;
use crate::wire::{Session, SessionSettings};
use crate::{Proxy, ProxyConfig};

const INSERT: &str = "INSERT INTO public.clients (name, tenant_id) VALUES ($1, $2::pg_catalog.uuid)";
const COUNT: &str = "SELECT count(*)::int, count(DISTINCT c.tenant_id)::int FROM public.clients c WHERE c.tenant_id = $1::pg_catalog.uuid";
const SLOW: &str =
    "SELECT count(*)::int FROM generate_series(1, 400000) WHERE $1::pg_catalog.uuid IS NOT NULL";

pub(super) fn proxy(database: &Database, change: impl FnOnce(&mut ProxyConfig)) -> (Proxy, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let mut config = ProxyConfig::new(
        database.target(),
        Arc::new(Catalog::default()),
        Arc::new(TestLogins),
        recorder.clone(),
    );
    change(&mut config);
    (Proxy::new(config), recorder)
}

pub(super) fn call(applet: &str, tenant: TenantId) -> Invocation {
    invocation(&format!("applet-{applet}"), tenant, Grants::builder().build())
}

pub(super) async fn run(
    proxy: &Proxy,
    call: &Invocation,
    statement: Executable<'_>,
    parameters: &[Value],
) -> Result<Outcome, Failure> {
    let mut trail = Trail::start(proxy.inner.config.audit.clone(), call);
    let judge = proxy.inner.judge();
    let ran = proxy.inner.run(call, &judge, statement, parameters, Encoding::Json, &mut trail).await;
    match &ran {
        Ok(outcome) => trail.succeeded_reading(outcome.affected).await.unwrap(),
        Err(failure) => trail.failed(failure).await,
    }
    ran
}

pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < patience, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The numbers that a watcher at the server sees, at most.
pub(super) struct Watched {
    pub(super) all: usize,
    pub(super) one: usize,
    pub(super) working: usize,
}

/// Counts the applets' sessions at the server for as long as `work` runs.
pub(super) async fn watched(database: &Database, work: impl Future<Output = ()>) -> Watched {
    let over = Arc::new(AtomicBool::new(false));
    let mut settings = crate::testing::settings();
    settings.application = "watcher".into();
    settings.read_only = false;
    let login = applet_types::Login { role: "postgres".into(), password: applet_types::Secret::new("") };
    let mut watcher =
        Session::connect(Arc::new(database.target()), &login, &settings as &SessionSettings).await.unwrap();
    let stop = Arc::clone(&over);
    let name = database.name.clone();
    let watching = tokio::spawn(async move {
        let text = format!(
            "SELECT count(*)::int, count(*) FILTER (WHERE usename = 'guest_one')::int, \
             count(*) FILTER (WHERE state <> 'idle')::int FROM pg_stat_activity \
             WHERE datname = '{name}' AND usename LIKE 'guest%'"
        );
        let mut most = Watched { all: 0, one: 0, working: 0 };
        while !stop.load(Ordering::Relaxed) {
            let seen = super::read(&mut watcher, super::free(&text), &[], A, Encoding::Json).await.unwrap();
            let seen = super::json(&seen);
            let number = |index: usize| usize::try_from(seen[0][index].as_u64().unwrap()).unwrap();
            most = Watched {
                all: most.all.max(number(0)),
                one: most.one.max(number(1)),
                working: most.working.max(number(2)),
            };
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        most
    });
    work.await;
    over.store(true, Ordering::Relaxed);
    watching.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_61_an_applet_never_has_more_sessions_than_its_cap_and_its_flood_is_refused() {
    let database = Cluster::shared().database();
    let (proxy, _) = proxy(&database, |config| config.limits.queue_length = 20);
    let refused = Arc::new(AtomicUsize::new(0));
    let most = watched(&database, async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..200 {
            let (proxy, refused) = (proxy.clone(), Arc::clone(&refused));
            tasks.spawn(async move {
                let call = call("one", if number % 2 == 0 { A } else { B });
                match run(&proxy, &call, scoped(SLOW, Select, 0), &[]).await {
                    Ok(_) => {}
                    Err(failure) => {
                        assert_eq!(failure.code, ErrorCode::ConnectionCap);
                        assert!(failure.retry_after_ms.is_some());
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    })
    .await;
    assert!(most.one <= 5, "{} sessions of one applet", most.one);
    assert!(most.one >= 2, "the watcher saw nothing");
    assert!(refused.load(Ordering::Relaxed) >= 100, "the queue is bounded");
    assert_eq!((proxy.status().in_use, proxy.status().waiting), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_61_a_flooding_applet_does_not_starve_its_neighbour() {
    let database = Cluster::shared().database();
    // Room for three sessions in all: the flooder could fill it alone.
    let (proxy, _) = proxy(&database, |config| {
        config.limits.sessions = 3;
        config.limits.queue_wait_ms = 20_000;
        config.limits.queue_length = 1_000;
    });
    let flood_done = Arc::new(AtomicUsize::new(0));
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let (proxy, done) = (proxy.clone(), Arc::clone(&flood_done));
        flood.spawn(async move {
            // Its own fate is not what is looked at here.
            let ran = run(&proxy, &call("one", A), scoped(SLOW, Select, 0), &[]).await;
            done.fetch_add(usize::from(ran.is_ok()), Ordering::Relaxed);
        });
    }
    until("the flood is on its way", || proxy.status().waiting >= 50).await;
    let (waiting, before) = (proxy.status().waiting, flood_done.load(Ordering::Relaxed));
    let outcome = run(&proxy, &call("two", B), scoped(COUNT, Select, 0), &[]).await.unwrap();
    let overtaken_by = flood_done.load(Ordering::Relaxed) - before;
    assert_eq!(super::json(&outcome), serde_json::json!([[50, 1]]));
    // First come, first served would have put all of them before it.
    assert!(overtaken_by < waiting / 2, "{overtaken_by} of {waiting} statements of the flood went first");
    flood.shutdown().await;
    assert!(proxy.status().open <= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_7_the_longest_idle_session_of_another_role_makes_room() {
    let database = Cluster::shared().database();
    let (proxy, _) = proxy(&database, |config| config.limits.sessions = 2);
    let most = watched(&database, async {
        for _ in 0..5 {
            for (applet, tenant) in [("one", A), ("two", B), ("three", A), ("one", B)] {
                let outcome =
                    run(&proxy, &call(applet, tenant), scoped(COUNT, Select, 0), &[]).await.unwrap();
                assert_eq!(super::json(&outcome), serde_json::json!([[50, 1]]));
            }
        }
    })
    .await;
    assert!(most.all <= 2, "{} sessions", most.all);
    assert_eq!(proxy.status().open, 2);
}

/// Polls a future `times` times with pauses, then drops it (fault recipe R3). True if it was done before.
async fn poll_and_drop<T>(work: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut work = pin!(work);
    for _ in 0..times {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return Some(done);
        }
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g13_dropped_futures_leave_no_open_transaction_and_lose_no_acknowledged_insert() {
    let rounds = std::env::var("APPLET_TEST_DROPS").map_or(400, |rounds| rounds.parse().unwrap());
    let database = Cluster::shared().database();
    let (proxy, recorder) = proxy(&database, |_| {});
    let mut acknowledged = 0;
    let mut dropped = 0;
    for round in 0..rounds {
        let tenant = if round % 3 == 0 { B } else { A };
        let one = call("one", tenant);
        let name = [Value::Text("acknowledged".into())];
        let writes = round % 2 == 0;
        let done = if writes {
            poll_and_drop(run(&proxy, &one, scoped(INSERT, Insert, 1), &name), round % 7).await
        } else {
            poll_and_drop(run(&proxy, &one, scoped(COUNT, Select, 0), &[]), round % 7).await
        };
        match done {
            Some(done) => {
                done.unwrap();
                acknowledged += usize::from(writes);
            }
            None => dropped += 1,
        }
        // The neighbour on the same pool, whole.
        let outcome = run(&proxy, &call("one", A), scoped(INSERT, Insert, 1), &name).await.unwrap();
        assert_eq!(outcome.affected, 1);
        acknowledged += 1;
    }
    assert!(dropped > rounds / 4, "only {dropped} futures were dropped");
    let written: usize =
        database.sql("SELECT count(*) FROM clients WHERE name = 'acknowledged'").parse().unwrap();
    assert!(written >= acknowledged, "{acknowledged} acknowledged, {written} written");
    let stuck = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND state LIKE 'idle in transaction%'";
    until("no transaction stays open", || database.sql(stuck) == "0").await;
    until("every dropped session is gone", || proxy.status().open <= 5 && proxy.status().in_use == 0).await;
    let records: usize = database.sql("SELECT count(*) FROM applet_host.audit").parse().unwrap();
    assert_eq!(records, written, "a write and its record commit together");
    assert!(!recorder.records.lock().unwrap().is_empty(), "dropped operations are recorded too");
    let strays = "SELECT count(*) FROM clients WHERE name = 'acknowledged' AND tenant_id NOT IN \
                  ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb')";
    assert_eq!(database.sql(strays), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g20_a_killed_server_loses_no_acknowledged_write_and_is_used_again() {
    let database = Arc::new(Cluster::start()).database();
    let (proxy, _) = proxy(&database, |_| {});
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..4 {
        let (proxy, stop) = (proxy.clone(), Arc::clone(&stop));
        tasks.spawn(async move {
            let mut acknowledged = Vec::new();
            let mut number = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let name = Uuid::from_u128(u128::from(number) << 8 | worker).to_string();
                let parameters = [Value::Text(name.clone())];
                match run(&proxy, &call("one", A), scoped(INSERT, Insert, 1), &parameters).await {
                    Ok(_) => acknowledged.push(name),
                    Err(failure) => {
                        let known = [ErrorCode::DatabaseUnavailable, ErrorCode::CommitUnknown];
                        assert!(known.contains(&failure.code), "{failure}");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
            acknowledged
        });
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let cluster = Arc::clone(&database.cluster);
        tokio::task::spawn_blocking(move || {
            cluster.stop();
            cluster.boot();
        })
        .await
        .unwrap();
        let up = Instant::now();
        while run(&proxy, &call("two", A), scoped(COUNT, Select, 0), &[]).await.is_err() {
            assert!(up.elapsed() < Duration::from_secs(10), "not serving again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    while let Some(names) = tasks.join_next().await {
        acknowledged.extend(names.unwrap());
    }
    let written = database.sql("SELECT name FROM clients");
    let written: std::collections::HashSet<&str> = written.lines().collect();
    let lost = acknowledged.iter().filter(|name| !written.contains(name.as_str())).count();
    assert_eq!(lost, 0, "of {} acknowledged", acknowledged.len());
    assert!(acknowledged.len() > 10);
}
