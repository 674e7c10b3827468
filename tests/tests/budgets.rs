//! Rates, circuits and budgets by the real program: over HTTP, and as `applet top` shows them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use applet_tests::host::{ALDER, Answer, BIRCH, Host, HostDirectory, Tenant, guest, repository};
use serde_json::{Value, json};

/// The benchmark's guest under a manifest with these limits, installed for both tenants.
fn install_bench(directory: &HostDirectory, host: &Host<'_>, limits: &str) {
    let text = std::fs::read_to_string(repository().join("tests/guests/bench/manifest.yaml")).unwrap();
    let path: PathBuf = directory.path().join("bench.yaml");
    std::fs::write(&path, format!("{text}limits: {limits}\n")).unwrap();
    host.submit(&path, &guest("guest_bench"));
    for tenant in [&ALDER, &BIRCH] {
        host.install(tenant, "bench");
    }
}

fn install_hostile(host: &Host<'_>) {
    host.submit(&repository().join("tests/guests/hostile/manifest.yaml"), &guest("guest_hostile"));
    host.install(&ALDER, "hostile");
}

fn header(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
}

/// Calls until an answer has this status.
fn until(status: u16, most: usize, call: impl Fn() -> Answer) -> (Vec<Answer>, Answer) {
    let mut before = Vec::new();
    while before.len() < most {
        let answer = call();
        if answer.status == status {
            return (before, answer);
        }
        before.push(answer);
    }
    let statuses: Vec<_> = before.iter().map(|answer| answer.status).collect();
    panic!("no {status} among {statuses:?}");
}

fn refused(answer: &Answer, code: &str) {
    assert_eq!(answer.json()["code"], code, "{}", answer.body);
    let seconds: u64 = header(answer, "retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{}", answer.head);
}

fn top(directory: &HostDirectory, arguments: &[&str]) -> Value {
    let output = directory.command().args(["--json", "top", "--once"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn of<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|one| one[key] == value);
    found.unwrap_or_else(|| panic!("no {key} {value} in {list}"))
}

fn calls(reading: &Value) -> &Value {
    &reading["hosts"][0]["installations"]
}

#[test]
fn s4x_5_too_many_invocations_are_refused_with_429_and_their_neighbours_are_not() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    install_bench(&directory, &host, "{ invocationsPerSecond: 1 }");
    let token = host.token(&ALDER, "platform");
    let began = Instant::now();
    let call = || host.hook_with(&token, &ALDER, "bench", "hello", "null");
    let (before, answer) = until(429, 60, call);
    assert!(before.iter().all(|answer| answer.status == 200));
    assert!(before.len() as u64 <= 3 + began.elapsed().as_secs(), "{}", before.len());
    refused(&answer, "rate-limited");
    assert_eq!(host.hook(&BIRCH, &BIRCH, "bench", "hello", "null").status, 200);
    host.stop();
}

/// The guest sees a typed error, and hands its code on.
#[test]
fn s4x_5_too_many_statements_are_refused_inside_the_applet() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    install_bench(&directory, &host, "{ queriesPerMinute: 2 }");
    let token = host.token(&ALDER, "platform");
    let call = || host.hook_with(&token, &ALDER, "bench", "client1", r#"{"id":1}"#);
    let (before, answer) = until(422, 20, call);
    assert!(before.iter().all(|answer| answer.status == 200));
    assert_eq!(answer.json()["applet_code"], "rate-limited", "{}", answer.body);
    assert_eq!(host.hook_with(&token, &ALDER, "bench", "hello", "null").status, 200);
    host.stop();
}

#[test]
fn s4x_6_an_applet_that_keeps_failing_is_left_alone_and_comes_back() {
    let directory = HostDirectory::new()
        .under_load()
        .with_limit("breaker.failures", 3)
        .with_limit("breaker.cool_down_s", 5);
    let host = directory.serve();
    install_hostile(&host);
    install_bench(&directory, &host, "{}");
    let token = host.token(&ALDER, "platform");
    let call = |applet: &str, hook: &str| host.hook_with(&token, &ALDER, applet, hook, "null");
    let (before, answer) = until(503, 20, || call("hostile", "panic"));
    assert!(before.len() >= 3 && before.iter().all(|answer| answer.json()["applet_code"] == "crashed"));
    refused(&answer, "circuit-open");
    assert_eq!(call("bench", "hello").status, 200);

    // Nobody calls it meanwhile, so it does not close by itself.
    let shown = top(&directory, &["--applet", "hostile"]);
    assert_ne!(of(calls(&shown), "applet", "hostile")["circuit"]["state"], "closed");
    let circuit =
        |applet: &str| of(&host.admin(&ALDER, &["installations"]), "applet", applet)["circuit"].clone();
    assert_ne!(circuit("hostile"), "closed");
    assert_eq!(circuit("bench"), "closed");

    // A host that is asked in vain goes on saying when to come again.
    let mut answer = call("hostile", "hooks");
    while answer.status == 503 {
        refused(&answer, "circuit-open");
        std::thread::sleep(Duration::from_millis(100));
        answer = call("hostile", "hooks");
    }
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(circuit("hostile"), "closed");
    host.stop();
}

fn usage(answer: &Answer) -> Value {
    let text = header(answer, "applet-usage").unwrap_or_else(|| panic!("no usage: {}", answer.head));
    let pairs = text.split(", ").map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), json!(value.parse::<u64>().unwrap()))).collect()
}

#[test]
fn f4_each_answer_says_what_the_invocation_has_used() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    install_bench(&directory, &host, "{}");
    install_hostile(&host);
    let read = usage(&host.hook(&ALDER, &ALDER, "bench", "clients100", "null"));
    assert_eq!((&read["statements"], &read["rows"], &read["host-calls"]), (&json!(1), &json!(3), &json!(1)));
    for used in ["wall-us", "cpu-us", "database-us", "memory-bytes", "bytes"] {
        assert!(read[used].as_u64().unwrap() > 0, "{used}: {read}");
    }
    let failed = host.hook(&ALDER, &ALDER, "hostile", "endless-loop", "null");
    assert_eq!((failed.status, failed.json()["code"].clone()), (429, json!("budget-spent")));
    assert!(usage(&failed)["cpu-us"].as_u64().unwrap() >= 200_000, "{}", failed.head);

    let invoked =
        host.admin(&ALDER, &["invoke", "bench", "client1", r#"{"id":1}"#, "--workspace", ALDER.workspace]);
    assert_eq!((&invoked["answer"]["id"], &invoked["usage"]["statements"]), (&json!(1), &json!(1)));
    host.stop();
}

#[test]
fn f4_a_tenant_that_has_used_up_its_budget_waits_and_no_other_does() {
    let directory = HostDirectory::new().with_limit("tenant.rows_per_minute", 3);
    let host = directory.serve();
    install_bench(&directory, &host, "{}");
    install_hostile(&host);
    let token = host.token(&ALDER, "platform");
    let call = || host.hook_with(&token, &ALDER, "bench", "clients100", "null");
    let (before, answer) = until(429, 5, call);
    assert!(before.iter().all(|answer| answer.status == 200));
    refused(&answer, "budget-spent");
    assert!(answer.json()["hint"].as_str().unwrap().contains("limits.tenant.rows_per_minute"));
    let other = host.hook_with(&token, &ALDER, "hostile", "hooks", "null");
    assert_eq!(other.status, 429, "all applets of the tenant: {}", other.body);
    assert_eq!(host.hook(&BIRCH, &BIRCH, "bench", "clients100", "null").status, 200);
    host.stop();
}

#[test]
fn f4_top_shows_what_goes_on_to_the_operator_alone() {
    let directory = HostDirectory::new().under_load();
    let host = directory.serve();
    install_bench(&directory, &host, "{}");
    let reading = std::thread::scope(|scope| {
        let looking = scope.spawn(|| top(&directory, &[]));
        let tokens: [(&Tenant, String); 2] = [&ALDER, &BIRCH].map(|of| (of, host.token(of, "platform")));
        while !looking.is_finished() {
            for (tenant, token) in &tokens {
                assert_eq!(host.hook_with(token, tenant, "bench", "clients100", "null").status, 200);
            }
        }
        looking.join().unwrap()
    });
    let shown = calls(&reading);
    assert_eq!(shown.as_array().unwrap().len(), 2, "{reading}");
    let alder = of(shown, "tenant", ALDER.id);
    for rate in ["invocations", "statements", "rows", "bytes"] {
        assert!(alder["per_second"][rate].as_f64().unwrap() > 0.0, "{rate}: {alder}");
    }
    assert_eq!(alder["circuit"]["state"], "closed");
    assert_eq!(alder["tokens"]["writes"], 20_000, "two seconds' worth, and nothing was written");
    let tenant = of(&reading["hosts"][0]["tenants"], "tenant", ALDER.id);
    assert_eq!(tenant["budgets"].as_array().unwrap().len(), 6);

    let one = top(&directory, &["--tenant", BIRCH.id, "--applet", "bench"]);
    assert_eq!(calls(&one).as_array().unwrap().len(), 1);
    assert_eq!(calls(&one)[0]["tenant"], BIRCH.id);
    assert_eq!(one["hosts"][0]["tenants"].as_array().unwrap().len(), 1, "{one}");

    let folder = directory.path().join("host/top");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    host.stop();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "the door is closed behind it");
    let nobody = directory.command().args(["--json", "top", "--once"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(2));
}
