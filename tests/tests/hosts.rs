//! Three hosts on one database, of which one is killed and one stopped past its lease (SPEC Decision 18):
//! real processes, counted at the server.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use applet_tests::host::{ALDER, BIRCH, Host, HostDirectory, Tenant, guest, repository};
use applet_tests::{Database, connect};
use rustix::process::Signal;

const CALLERS: usize = 6;
const CAP: i64 = 5;

/// What callers of one host were told.
#[derive(Default)]
struct Told {
    answers: AtomicU64,
    busy: AtomicU64,
    other: Mutex<Vec<String>>,
}

/// Calls until it is over. A host that is gone or stopped does not answer; that is not looked at here.
fn call(host: &Host<'_>, token: &str, of: &Tenant, told: &Told, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let told_as = match host.try_hook_with(token, of, "bench", "clients100", "null") {
            Ok(answer) => match answer.status {
                200 => &told.answers,
                // The guest hands on what it was told.
                _ if answer.body.contains("connection-cap") => &told.busy,
                _ => {
                    told.other.lock().unwrap().push(answer.body);
                    continue;
                }
            },
            Err(_) => {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
        };
        told_as.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts the applet's sessions at the server every 10 ms. Gives the most, and how often it looked.
fn watch(url: &str, over: &AtomicBool) -> (i64, u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = connect(url).await;
        let (mut most, mut looks) = (0, 0);
        while !over.load(Ordering::Relaxed) {
            let sql = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND usename LIKE 'ah\\_%\\_bench\\_%'";
            let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
            (most, looks) = (count.max(most), looks + 1);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (most, looks)
    })
}

/// Looks at the shares until they are as they should be: (hosts known, shares of the applet).
fn until(url: &str, what: &str, holds: impl Fn(i64, &[i32]) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = connect(url).await;
        let since = Instant::now();
        loop {
            let hosts: i64 = sqlx::query_scalar("SELECT count(*) FROM applet_host.pool_hosts")
                .fetch_one(&mut connection)
                .await
                .unwrap();
            let shares: Vec<i32> = sqlx::query_scalar(
                "SELECT held FROM applet_host.pool_shares WHERE what = 'applet bench' AND held > 0",
            )
            .fetch_all(&mut connection)
            .await
            .unwrap();
            if holds(hosts, &shares) {
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{what}: {hosts} hosts, {shares:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// Spec: S4.61
#[test]
fn g16_caps_hold_while_hosts_are_killed_and_stopped() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(Database::empty());
    let url = database.url();
    let directory = HostDirectory::on(&url).under_load();
    let [killed, stopped, steady] = [directory.serve(), directory.serve(), directory.serve()];
    steady.submit(&repository().join("tests/guests/bench/manifest.yaml"), &guest("guest_bench"));
    for tenant in [&ALDER, &BIRCH] {
        steady.install(tenant, "bench");
    }
    let tokens = [&ALDER, &BIRCH].map(|tenant| (tenant, steady.token(tenant, "platform")));
    let told = [Told::default(), Told::default(), Told::default()];
    let (watched, loaded) = (AtomicBool::new(false), AtomicBool::new(false));
    let (most, looks) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&url, &watched));
        for (host, told) in [&killed, &stopped, &steady].into_iter().zip(&told) {
            for (tenant, token) in tokens.iter().cycle().take(CALLERS) {
                let loaded = &loaded;
                scope.spawn(move || call(host, token, tenant, told, loaded));
            }
        }
        until(&url, "each busy host has a share", |_, shares| shares.len() == 3);
        killed.signal(Signal::KILL);
        until(&url, "the share of the killed one comes back", |hosts, shares| {
            hosts == 2 && shares.len() == 2 && shares.iter().sum::<i32>() == 5
        });
        stopped.signal(Signal::STOP);
        until(&url, "the share of the stopped one comes back", |hosts, shares| hosts == 1 && shares == [5]);
        stopped.signal(Signal::CONT);
        until(&url, "it begins anew", |hosts, shares| hosts == 2 && shares.len() == 2);
        let before = told[1].answers.load(Ordering::Relaxed);
        until(&url, "and answers again", |_, _| told[1].answers.load(Ordering::Relaxed) > before + 20);
        loaded.store(true, Ordering::Relaxed);
        until(&url, "callers end", |_, _| true);
        watched.store(true, Ordering::Relaxed);
        watching.join().unwrap()
    });
    assert!(most <= CAP, "{most} sessions of one applet");
    assert!(most >= 3 && looks > 200, "the watcher saw nothing: {most} in {looks} looks");
    let [_, _, steady_told] = &told;
    assert_eq!(*steady_told.other.lock().unwrap(), Vec::<String>::new(), "the third host never noticed");
    assert!(steady_told.answers.load(Ordering::Relaxed) > 100);
    println!(
        "at most {most} sessions in {looks} looks; the steady host answered {}, and was busy {} times",
        steady_told.answers.load(Ordering::Relaxed),
        steady_told.busy.load(Ordering::Relaxed)
    );
    stopped.stop();
    steady.stop();
}
