//! Several hosts on one database (SPEC Decision 18): the caps hold over all of them, and shares go where they
//! are needed. Hosts that are killed or stopped are processes: `tests/tests/hosts.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use applet_gate::StatementKind::Select;
use applet_types::{ErrorCode, TenantId};
use tokio::task::JoinSet;

use super::faults::{call, proxy, run, until, watched};
use super::scoped;
use crate::pool::Want;
use crate::testing::{A, B, Cluster, Database, keeper, login};
use crate::{Proxy, ProxyConfig};

const STEP: &str =
    "SELECT count(*)::int FROM generate_series(1, 20000) WHERE $1::pg_catalog.uuid IS NOT NULL";
const HOLD: &str =
    "SELECT count(*)::int FROM generate_series(1, 1000000) WHERE $1::pg_catalog.uuid IS NOT NULL";
const QUICK: &str = "SELECT 1 WHERE $1::pg_catalog.uuid IS NOT NULL";

/// A host that shares its caps. Who waits here waits as long as it takes.
fn host(database: &Database, change: impl FnOnce(&mut ProxyConfig)) -> Proxy {
    let (proxy, _) = proxy(database, |config| {
        config.keeper = Some(keeper());
        config.limits.queue_wait_ms = 60_000;
        config.limits.queue_length = 1_000;
        change(config);
    });
    proxy
}

/// Statements of an applet on each host, six at a time.
fn load(hosts: &[Proxy], applet: &'static str, tenants: &'static [TenantId], each: usize) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for host in hosts {
        for number in 0..6 {
            let host = host.clone();
            tasks.spawn(async move {
                for _ in 0..each {
                    let mut call = call(applet, tenants[number % tenants.len()]);
                    call.deadline += Duration::from_secs(60);
                    run(&host, &call, scoped(STEP, Select, 0), &[]).await.unwrap();
                }
            });
        }
    }
    tasks
}

async fn all(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

fn shares(database: &Database, what: &str) -> Vec<usize> {
    let sql = format!("SELECT held FROM applet_host.pool_shares WHERE what = '{what}' AND held > 0");
    database.sql(&sql).lines().map(|held| held.parse().unwrap()).collect()
}

fn hosts_known(database: &Database) -> String {
    database.sql("SELECT count(*) FROM applet_host.pool_hosts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_61_decision_18_the_caps_hold_over_three_hosts_and_each_has_its_share() {
    let database = Cluster::shared().database();
    let hosts: Vec<_> = (0..3).map(|_| host(&database, |config| config.limits.sessions = 7)).collect();
    let most = watched(&database, async {
        // Alone, the first has all of it.
        all(load(&hosts[..1], "one", &[A, B], 3)).await;
        assert_eq!(shares(&database, "applet applet-one"), [5]);
        assert_eq!(shares(&database, "database"), [7]);
        let (one, two) = (load(&hosts, "one", &[A, B], 40), load(&hosts, "two", &[A, B], 40));
        until("each busy host has a share", || shares(&database, "applet applet-one").len() == 3).await;
        until("and a part of the budget", || shares(&database, "database").len() == 3).await;
        all(one).await;
        all(two).await;
    })
    .await;
    assert!(most.one <= 5, "{} sessions of one applet", most.one);
    assert!(most.all <= 7, "{} sessions in all", most.all);
    assert!(most.one >= 3, "the watcher saw nothing");
    // The load moves to the third host alone: so do the shares.
    all(load(&hosts[2..], "one", &[A, B], 10)).await;
    let load = load(&hosts[2..], "one", &[A, B], 1_000_000);
    until("the shares follow the load", || shares(&database, "applet applet-one").contains(&5)).await;
    drop(load);
    for host in &hosts {
        host.close().await;
    }
    assert_eq!(hosts_known(&database), "0", "who leaves gives everything back");
    assert_eq!(database.sql("SELECT count(*) FROM applet_host.pool_shares"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_61_a_tenants_cap_holds_over_applets_and_hosts() {
    let database = Cluster::shared().database();
    let hosts: Vec<_> =
        (0..2).map(|_| host(&database, |config| config.limits.sessions_per_tenant = 3)).collect();
    let most = watched(&database, async {
        let (one, two) = (load(&hosts, "one", &[A], 20), load(&hosts, "two", &[A], 20));
        all(one).await;
        all(two).await;
    })
    .await;
    assert!(most.working <= 3, "{} sessions work for one tenant", most.working);
    assert!(most.working >= 2, "the watcher saw nothing");
    let tenant = format!("tenant {A}");
    assert!(shares(&database, &tenant).iter().sum::<usize>() <= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decision_18_what_a_host_has_costs_its_statements_nothing_and_a_command_takes_one_share() {
    let database = Cluster::shared().database();
    let serving = host(&database, |_| {});
    run(&serving, &call("one", A), scoped(QUICK, Select, 0), &[]).await.unwrap();
    let asked =
        database.sql("SELECT xmin || ' ' || ctid FROM applet_host.pool_shares WHERE what LIKE 'applet%'");
    for _ in 0..50 {
        run(&serving, &call("one", A), scoped(QUICK, Select, 0), &[]).await.unwrap();
    }
    let after =
        database.sql("SELECT xmin || ' ' || ctid FROM applet_host.pool_shares WHERE what LIKE 'applet%'");
    assert_eq!(asked, after, "a host that has what it needs asks for nothing");
    let command = host(&database, |_| {});
    run(&command, &call("one", B), scoped(QUICK, Select, 0), &[]).await.unwrap();
    let most = shares(&database, "applet applet-one").into_iter().sum::<usize>();
    assert!(most <= 5, "{most}");
    command.close().await;
    assert_eq!(hosts_known(&database), "1");
    run(&serving, &call("one", A), scoped(QUICK, Select, 0), &[]).await.unwrap();
}

/// Like a host whose process is stopped: nothing extends its lease. The clock of the database decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decision_18_a_host_that_was_given_up_loses_its_sessions_and_begins_anew() {
    let database = Cluster::shared().database();
    let (lost, other) = (host(&database, |_| {}), host(&database, |_| {}));
    run(&lost, &call("one", A), scoped(QUICK, Select, 0), &[]).await.unwrap();
    let name = database.sql("SELECT host FROM applet_host.pool_hosts");
    let sessions =
        format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'applet-host {name}'");
    assert_eq!(database.sql(&sessions), "1");
    // The lease of a host that lives is extended again unless somebody fences it first.
    database.sql("UPDATE applet_host.pool_hosts SET until_at = 'epoch', fenced_at = clock_timestamp()");
    run(&other, &call("one", B), scoped(QUICK, Select, 0), &[]).await.unwrap();
    assert_eq!(database.sql(&sessions), "0", "its share is granted again after its sessions are gone");
    let gone = format!("SELECT count(*) FROM applet_host.pool_hosts WHERE host = '{name}'");
    until("it is forgotten", || database.sql(&gone) == "0").await;
    run(&lost, &call("one", A), scoped(QUICK, Select, 0), &[]).await.unwrap();
    assert_eq!(hosts_known(&database), "2", "under another name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decision_18_without_the_database_a_host_opens_nothing() {
    let database = Cluster::shared().database();
    let host = host(&database, |config| config.limits.queue_wait_ms = 100);
    run(&host, &call("one", A), scoped(QUICK, Select, 0), &[]).await.unwrap();
    // The keeper may not log in any more; what the host holds is kept until the lease is nearly over.
    database.sql("REVOKE EXECUTE ON FUNCTION applet_host.pool_extend(uuid) FROM pool_keeper");
    let refused = async {
        loop {
            match run(&host, &call("one", A), scoped(QUICK, Select, 0), &[]).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(failure) => return failure,
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(30), refused).await.unwrap();
    assert_eq!(refused.code, ErrorCode::DatabaseUnavailable);
    assert!(refused.retry_after_ms.is_some());
    until("idle sessions are closed", || host.status().open == 0).await;
    database.sql("GRANT EXECUTE ON FUNCTION applet_host.pool_extend(uuid) TO pool_keeper");
    let again = async { while run(&host, &call("one", A), scoped(QUICK, Select, 0), &[]).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_61_a_flooding_tenant_does_not_starve_another_of_the_same_applet() {
    let database = Cluster::shared().database();
    let (proxy, _) = proxy(&database, |config| {
        config.limits.sessions_per_applet = 2;
        config.limits.queue_length = 20;
        config.limits.queue_wait_ms = 20_000;
    });
    let done = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for _ in 0..60 {
        let (proxy, done) = (proxy.clone(), Arc::clone(&done));
        flood.spawn(async move {
            // Refused or not: its fate is not what is looked at here.
            let _ended = run(&proxy, &call("one", A), scoped(HOLD, Select, 0), &[]).await;
            done.fetch_add(1, Ordering::Relaxed);
        });
    }
    until("the flood fills the queue", || proxy.status().waiting == 20).await;
    let before = done.load(Ordering::Relaxed);
    // First in turn, and there is a place for it in a full queue.
    run(&proxy, &call("one", B), scoped(QUICK, Select, 0), &[]).await.unwrap();
    let overtaken_by = done.load(Ordering::Relaxed) - before;
    assert!(overtaken_by <= 6, "{overtaken_by} statements of the flood went first");
    flood.shutdown().await;
}

/// A session that was to make room, and was not closed after all, never serves the applet that it made room
/// for: it is logged in as another role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_7_a_grant_that_nobody_takes_never_mixes_up_roles() {
    let database = Cluster::shared().database();
    let (proxy, _) = proxy(&database, |config| config.limits.sessions = 1);
    run(&proxy, &call("one", A), scoped(QUICK, Select, 0), &[]).await.unwrap();
    let want = |applet: &str| Want {
        applet: format!("applet-{applet}").parse().unwrap(),
        tenant: A,
        login: Arc::new(login(applet)),
        may_wait: true,
        deadline: std::time::Instant::now() + Duration::from_secs(10),
    };
    proxy.inner.pool.drop_a_grant(&want("two"));
    until("the session is closed", || proxy.status().open == 0).await;
    let me = super::free("SELECT current_user::text");
    let mut lease = proxy.inner.pool.lease(want("two")).await.unwrap();
    let outcome = super::read(&mut lease, me, &[], A, applet_types::Encoding::Json).await.unwrap();
    assert_eq!(super::json(&outcome), serde_json::json!([["guest_two"]]));
}
