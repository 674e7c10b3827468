//! The main job, end to end: the program, its private PostgreSQL, a component built from source, HTTP.

use std::process::Command;

use applet_tests::applet;
use applet_tests::host::{ALDER, BIRCH, HostDirectory, ai_chat, guest, repository};
use serde_json::{Value, json};

fn sample_manifest() -> std::path::PathBuf {
    repository().join("sample-applets/ai-chat/manifest.yaml")
}

/// Spec: S4.19, S4.27, S4.31, S4.55, S4x.8, F2
#[test]
fn two_tenants_install_the_sample_and_see_their_own_rows_only() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    assert_eq!(host.request("GET", "/health/ready", &[], "").status, 200);
    host.submit(&sample_manifest(), &ai_chat());

    let first = host.install(&ALDER, "ai-chat");
    assert_eq!(first["tables"][0]["table"], "applet_ai_chat_ai_chat_configs");
    assert_eq!(first["tables"][0]["created"], true);
    let second = host.install(&BIRCH, "ai-chat");
    assert_eq!(second["tables"][0]["created"], false, "the second tenant joins the table");
    for report in [&first, &second] {
        let twins = report["twin"]["tables"].as_array().unwrap();
        assert!(!twins.is_empty() && twins.iter().all(|table| table["verdict"] == "holds"), "{twins:?}");
    }

    let alder = host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null");
    let birch = host.hook(&BIRCH, &BIRCH, "ai-chat", "summary", "null");
    assert_eq!((alder.status, birch.status), (200, 200), "{} {}", alder.body, birch.body);
    assert_eq!((&alder.json()["clients"], &birch.json()["clients"]), (&json!(3), &json!(2)));
    assert!(alder.body.contains("Anna") && !alder.body.contains("Boris"));
    assert!(birch.body.contains("Boris") && !birch.body.contains("Anna"));

    let reply = host.hook(&ALDER, &ALDER, "ai-chat", "reply", r#"{"chat_id":1,"question":"Nine?"}"#);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null").json()["messages"], 3);
    assert_eq!(host.hook(&BIRCH, &BIRCH, "ai-chat", "summary", "null").json()["messages"], 1);
    host.stop();
}

/// Spec: S4.17, S4x.8
#[test]
fn http_takes_the_tenant_from_the_token_and_hides_other_tenants() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    host.submit(&sample_manifest(), &ai_chat());
    host.install(&ALDER, "ai-chat");

    let foreign = host.hook(&BIRCH, &ALDER, "ai-chat", "summary", "null");
    let missing = host.hook(&BIRCH, &BIRCH, "ai-chat", "summary", "null");
    assert_eq!((foreign.status, missing.status), (404, 404));
    assert_eq!(foreign.body, missing.body, "a foreign workspace looks like one without the applet");

    let path = format!("/api/v2/workspaces/{}/applets/ai-chat/hooks/summary", ALDER.workspace);
    assert_eq!(host.request("POST", &path, &[], "null").status, 401);
    let expired = host.request("POST", &path, &[("Authorization", "Bearer a.b.c")], "null");
    assert_eq!(expired.status, 401);
    assert!(expired.head.to_lowercase().contains("application/problem+json"));

    let body = format!(r#"{{"tenant_id":"{}"}}"#, BIRCH.id);
    let smuggled = host.hook(&ALDER, &ALDER, "ai-chat", "messages", &body);
    assert!(!smuggled.body.contains("Is the price final"), "{}", smuggled.body);

    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "no-such-hook", "null").status, 404);
    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "summary", "{").status, 400);
    assert_eq!(host.request("GET", "/nowhere", &[], "").status, 404);
    host.stop();
}

/// Spec: S4.18, S4.30
#[test]
fn installing_takes_an_admins_approval_that_works_once() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    host.submit(&sample_manifest(), &ai_chat());
    let workspace = ["--workspace", ALDER.workspace];

    let unplanned = host.try_admin(&ALDER, &["install", "ai-chat", workspace[0], workspace[1]]);
    assert!(!unplanned.status.success());
    let plan = host.admin(&ALDER, &["plan", "ai-chat", workspace[0], workspace[1]]);
    let again = host.admin(&ALDER, &["plan", "ai-chat", workspace[0], workspace[1]]);
    assert_eq!(plan["digest"], again["digest"], "the same plan is the same bytes");
    let unapproved = host.try_admin(&ALDER, &["install", "ai-chat", workspace[0], workspace[1]]);
    assert!(!unapproved.status.success());

    let member = host.token(&ALDER, "member");
    let as_member = directory
        .command()
        .args(["--json", "approve", "ai-chat", workspace[0], workspace[1]])
        .env("APPLET_TOKEN", member)
        .output()
        .unwrap();
    let refusal: Value = serde_json::from_slice(&as_member.stderr).unwrap();
    assert_eq!(refusal["error"]["code"], "not-admin");
    let foreign = host.try_admin(&BIRCH, &["approve", "ai-chat", workspace[0], workspace[1]]);
    let refusal: Value = serde_json::from_slice(&foreign.stderr).unwrap();
    assert_eq!(refusal["error"]["code"], "not-found");

    host.admin(&ALDER, &["approve", "ai-chat", workspace[0], workspace[1], "--deny", "write:clients"]);
    host.admin(&ALDER, &["install", "ai-chat", workspace[0], workspace[1]]);
    let twice = host.try_admin(&ALDER, &["install", "ai-chat", workspace[0], workspace[1]]);
    assert!(!twice.status.success(), "an approval is for one installation");

    let sql = "UPDATE clients SET phone = '1'";
    let denied = host.try_admin(&ALDER, &["explain", "--applet", "ai-chat", workspace[0], workspace[1], sql]);
    let refusal: Value = serde_json::from_slice(&denied.stderr).unwrap();
    assert_eq!(refusal["error"]["code"], "not-granted", "what was asked for and denied");
    host.stop();
}

/// Spec: S4.29
#[test]
fn a_killed_host_starts_again_with_everything_it_had() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    host.submit(&sample_manifest(), &ai_chat());
    host.install(&ALDER, "ai-chat");
    host.hook(&ALDER, &ALDER, "ai-chat", "reply", r#"{"chat_id":1,"question":"Nine?"}"#);
    host.kill();

    let host = directory.serve();
    let summary = host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null");
    assert_eq!(summary.status, 200, "{}", summary.body);
    assert_eq!(summary.json()["messages"], 3);
    host.stop();
}

/// Spec: F3
#[test]
fn explain_shows_the_rewritten_statement_or_points_into_the_refused_one() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    host.submit(&sample_manifest(), &ai_chat());
    host.install(&ALDER, "ai-chat");
    let explain = |sql| {
        host.try_admin(&ALDER, &["explain", "--applet", "ai-chat", "--workspace", ALDER.workspace, sql])
    };
    let shown: Value = serde_json::from_slice(&explain("SELECT id FROM clients").stdout).unwrap();
    assert!(shown["rewritten"].as_str().unwrap().contains(r#""tenant_id" = $1"#), "{shown}");

    let refused: Value = serde_json::from_slice(&explain("SELECT number FROM invoices").stderr).unwrap();
    assert_eq!(refused["error"]["code"], "table-not-allowed");
    assert_eq!(refused["error"]["span"], json!({ "start": 19, "end": 27 }));
    assert_eq!(refused["error"]["hint"], "permissions.database.read: [invoices]");
    host.stop();
}

/// Spec: S4.61, S4x.8
#[test]
fn hostile_hooks_end_and_leave_their_neighbour_and_the_connections_alone() {
    // Every hook is to run every time: not left alone because the others have failed.
    let directory = HostDirectory::new().under_load().with_limit("breaker.failures", 10_000);
    let host = directory.serve();
    host.submit(&sample_manifest(), &ai_chat());
    host.install(&ALDER, "ai-chat");
    host.submit(&repository().join("tests/guests/hostile/manifest.yaml"), &guest("guest_hostile"));
    host.install(&ALDER, "hostile");
    for hook in [
        "endless-loop",
        "memory-bomb",
        "recursion",
        "host-call-flood",
        "statement-flood",
        "giant-parameter",
        "giant-list",
        "trap-in-transaction",
        "loop-in-transaction",
        "transaction-never-closed",
    ] {
        // More often than the applet has connections: each has to come back.
        for _ in 0..6 {
            let answer = host.hook(&ALDER, &ALDER, "hostile", hook, "null");
            assert_ne!(answer.json()["code"], "connection-cap", "{hook}: {}", answer.body);
            assert!(answer.status < 500 || answer.status == 504, "{hook}: {}", answer.body);
        }
        let neighbour = host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null");
        assert_eq!(neighbour.status, 200, "after {hook}: {}", neighbour.body);
        assert_eq!(neighbour.json()["clients"], 3, "{hook} left something behind");
    }
    host.stop();
}

/// Spec: S4.50, S4.51
#[test]
fn the_demo_runs_and_shows_each_tenant_its_own_rows() {
    let output = Command::new(applet()).arg("demo").current_dir(repository()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let curious = text.split("5. A curious statement").nth(1).unwrap();
    let (alder, birch) = curious.split_once("Birch Realty").unwrap();
    assert!(alder.contains("Anna") && !alder.contains("Boris"), "{alder}");
    let birch = birch.split("6. Hostile").next().unwrap();
    assert!(birch.contains("Boris") && !birch.contains("Anna"), "{birch}");
    for code in ["table-not-allowed", "union-not-allowed", "tenant-id-not-allowed", "multi-statement"] {
        assert!(text.contains(code), "{code} is not shown");
    }
    // The upgrade: consent to the difference, two versions side by side, and back.
    let upgrade = text.split("8. Alder Dental: version 1.1.0").nth(1).unwrap();
    let consent = upgrade.split("agrees to\n").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(consent, "  + read        invoices: id");
    assert!(
        upgrade.contains("Alder Dental  1.1.0 summary") && upgrade.contains("Birch Realty  1.0.0 summary")
    );
    // The cache: the same question again, and after a write.
    let line = |when: &str| upgrade.lines().find(|line| line.trim_start().starts_with(when)).unwrap();
    assert!(line("asked twice").ends_with("5 reads from the cache, 0 from PostgreSQL"), "{upgrade}");
    assert!(!line("has written").contains(" 0 from PostgreSQL"), "{upgrade}");
    assert!(upgrade.contains("runs 1.0.0 again"));
}
