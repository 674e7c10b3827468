//! A quiet applet beside eight that flood, loop, hog memory and hold transactions (limits G09, G21): the real
//! program, real guests. Prints what the quiet one's calls took; `NEIGHBOUR_CALLS` makes it a measurement.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use applet_tests::host::{ALDER, BIRCH, Host, HostDirectory, guest, repository};
use applet_tests::{Database, connect};

/// What each of the eight does, over and over.
const ATTACKS: [&str; 8] = [
    "endless-loop",
    "memory-bomb",
    "sleep-in-transaction",
    "statement-flood",
    "transaction-never-closed",
    "loop-in-transaction",
    "host-call-flood",
    "endless-sleep",
];
/// Calls of each attacker at once: more than it may have running.
const AT_ONCE: usize = 10;
/// Between two calls of the quiet applet.
const PACE: Duration = Duration::from_millis(25);

fn attack(host: &Host<'_>, token: &str, applet: &str, hook: &str, refused: &AtomicU64, over: &AtomicBool) {
    // Attackers have machines of their own; here, their clients are not to take the host's.
    rustix::process::nice(19).unwrap();
    while !over.load(Ordering::Relaxed) {
        let answer = host.hook_with(token, &BIRCH, applet, hook, "null");
        if answer.status == 429 {
            refused.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(PACE);
        }
    }
}

/// Calls of the quiet applet, one after the other. Each is answered, and rightly; gives how long they took.
fn calls(host: &Host<'_>, token: &str, id: i64, number: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..number {
        let begun = Instant::now();
        let answer = host.hook_with(token, &ALDER, "bench", "client1", &format!("{{\"id\":{id}}}"));
        took.push(begun.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json().get("id").unwrap().as_i64(), Some(id));
        std::thread::sleep(PACE);
    }
    took.sort();
    took
}

/// The most sessions that the server saw: of one applet, and of all.
fn watch(url: &str, over: &AtomicBool) -> (i64, i64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = connect(url).await;
        let (mut most, mut most_in_all) = (0, 0);
        while !over.load(Ordering::Relaxed) {
            let sql = "SELECT coalesce(max(n), 0)::bigint, coalesce(sum(n), 0)::bigint
                       FROM (SELECT count(*) AS n FROM pg_stat_activity
                             WHERE datname = current_database() AND application_name LIKE 'applet-host %-%'
                             GROUP BY usename) AS s";
            let (one, all): (i64, i64) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
            (most, most_in_all) = (most.max(one), most_in_all.max(all));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (most, most_in_all)
    })
}

fn until_idle(url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = connect(url).await;
        let since = Instant::now();
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name LIKE 'applet-host %-%' AND state <> 'idle'";
        while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap() > 0 {
            assert!(since.elapsed() < Duration::from_secs(30), "sessions are still held");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

/// Spec: S4.61, F4
#[test]
fn g09_g21_a_quiet_applet_loses_no_call_beside_eight_attackers() {
    let number = std::env::var("NEIGHBOUR_CALLS").map_or(60, |number| number.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(Database::empty());
    let url = database.url();
    // Neither rates nor circuits are to help: what is measured is how attackers and neighbours share.
    let directory = HostDirectory::on(&url).under_load().with_limit("breaker.failures", 10_000);
    let host = directory.serve();
    host.submit(&repository().join("tests/guests/bench/manifest.yaml"), &guest("guest_bench"));
    host.install(&ALDER, "bench");
    let manifest = std::fs::read_to_string(repository().join("tests/guests/hostile/manifest.yaml")).unwrap();
    let path = directory.path().join("hostile.yaml");
    for number in 0..ATTACKS.len() {
        let own = manifest.replacen("id: hostile", &format!("id: hostile-{number}"), 1);
        std::fs::write(&path, own).unwrap();
        host.submit(&path, &guest("guest_hostile"));
        host.install(&BIRCH, &format!("hostile-{number}"));
    }
    let (quiet, hostile) = (host.token(&ALDER, "platform"), host.token(&BIRCH, "platform"));
    let list = host.hook_with(&quiet, &ALDER, "bench", "clients100", "null").json();
    let id = list.pointer("/0/id").unwrap().as_i64().unwrap();

    calls(&host, &quiet, id, number / 4);
    let alone = calls(&host, &quiet, id, number);
    let (over, refused) = (AtomicBool::new(false), AtomicU64::new(0));
    let (beside, (most, most_in_all)) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&url, &over));
        for (number, hook) in ATTACKS.iter().enumerate() {
            for _ in 0..AT_ONCE {
                let (host, hostile, refused, over) = (&host, &hostile, &refused, &over);
                scope.spawn(move || attack(host, hostile, &format!("hostile-{number}"), hook, refused, over));
            }
        }
        // Until the attackers have all that they can get.
        let since = Instant::now();
        while refused.load(Ordering::Relaxed) < 20 {
            assert!(since.elapsed() < Duration::from_secs(30), "nobody floods");
            std::thread::sleep(PACE);
        }
        let beside = calls(&host, &quiet, id, number);
        over.store(true, Ordering::Relaxed);
        (beside, watching.join().unwrap())
    });
    assert!(most <= 5 && most_in_all <= 40, "{most} sessions of one applet, {most_in_all} in all");
    until_idle(&url);
    calls(&host, &quiet, id, 5);
    let at = |took: &[Duration], of: usize| took.get(took.len() * of / 100).copied().unwrap();
    for (name, took) in [("alone", &alone), ("beside eight", &beside)] {
        println!("{name}: p50 {:?}, p90 {:?}, p99 {:?}", at(took, 50), at(took, 90), at(took, 99));
    }
    println!(
        "p50 beside/alone {:.2}; {} calls of attackers refused; at most {most_in_all} sessions",
        at(&beside, 50).as_secs_f64() / at(&alone, 50).as_secs_f64(),
        refused.load(Ordering::Relaxed)
    );
    if is_on("/proc/sys/kernel/sched_autogroup_enabled") {
        println!(
            "sched_autogroup_enabled is 1: every session of PostgreSQL gets as much CPU as all of the host"
        );
    }
    host.stop();
}

fn is_on(setting: &str) -> bool {
    std::fs::read_to_string(setting).is_ok_and(|value| value.trim() == "1")
}
