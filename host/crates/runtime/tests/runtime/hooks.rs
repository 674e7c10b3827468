//! Hooks, and what applets may rely on while they run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{Host, applet_code, built, guest, host_code};
use applet_runtime::RuntimeLimits;
use applet_types::{
    Applets, ErrorCode, Grants, HookCall, HookError, InstallationId, Invocation, RequestId, TenantId, Version,
};
use serde_json::{Value, json};
use uuid::Uuid;

async fn conformance() -> (Host, applet_types::ComponentDigest) {
    let host = Host::new();
    let component = host.load(&guest("conformance")).await;
    (host, component)
}

async fn json(host: &Host, component: applet_types::ComponentDigest, hook: &str, payload: Value) -> Value {
    let answer = host.named(component, hook, &payload.to_string()).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test]
async fn s4x_8_named_hooks_take_and_give_json() {
    let (host, component) = conformance().await;
    for payload in [json!(null), json!({ "a": [1, "ü", null, 0.5] }), json!("x".repeat(100_000))] {
        assert_eq!(json(&host, component, "echo", payload.clone()).await, payload);
    }
    assert_eq!(applet_code(host.named(component, "sleep", "\"x\"").await), "bad-payload");
}

#[tokio::test]
async fn s4x_8_lifecycle_hooks_are_called_by_their_interface() {
    let (host, component) = conformance().await;
    assert_eq!(host.call(component, HookCall::Install).await, Ok(String::new()));
    assert_eq!(
        host.call(component, HookCall::Upgrade { from: Version::new(0, 9, 0) }).await,
        Ok(String::new())
    );
    assert_eq!(host.call(component, HookCall::Enable).await, Ok(String::new()));
    assert_eq!(host.call(component, HookCall::Disable).await, Ok(String::new()));
    assert_eq!(applet_code(host.call(component, HookCall::Uninstall).await), "not-now");
    assert_eq!(
        host.log.all(),
        [
            "Info: installed",
            "Info: upgraded from 0.9.0",
            "Info: enabled",
            "Info: disabled",
            "Info: uninstalled"
        ]
    );
}

#[tokio::test]
async fn s4x_8_hooks_are_optional_and_a_missing_one_is_named() {
    let (host, component) = conformance().await;
    let missing = |name: &str| Err(HookError::NoSuchHook(name.to_owned()));
    assert_eq!(host.named(component, "no-such", "null").await, missing("no-such"));
    let bench = host.load(&guest("bench")).await;
    assert_eq!(host.call(bench, HookCall::Install).await, missing("on-install"));
    assert_eq!(host.named(bench, "hello", "null").await, Ok("\"hello\"".to_owned()));
}

#[tokio::test]
async fn s4x_8_what_a_component_imports_and_exports_is_reported_at_submit() {
    let host = Host::new();
    let report = host.runtime.inspect(&guest("bench")).await.unwrap();
    assert!(report.exports.contains(&"applet:host/named-hooks@0.1.0".to_owned()), "{report:?}");
    assert!(!report.exports.contains(&"applet:host/on-install@0.1.0".to_owned()), "{report:?}");
    assert!(report.imports.contains(&"applet:host/db@0.1.0".to_owned()), "{report:?}");
    assert_eq!(host.runtime.inspect(&guest("bench")).await.unwrap(), report);
}

#[tokio::test]
async fn s4x_8_a_hooks_own_error_reaches_the_caller() {
    let (host, component) = conformance().await;
    let expected =
        HookError::Applet { code: "out-of-tea".to_owned(), message: "there is no tea left".to_owned() };
    assert_eq!(host.named(component, "fail", "null").await, Err(expected));
}

#[tokio::test]
async fn s4x_9_an_applet_knows_its_invocation_and_its_permissions() {
    let (host, component) = conformance().await;
    let id = |number: u128| uuid::Uuid::from_u128(number).to_string();
    assert_eq!(
        json(&host, component, "context", json!(null)).await,
        json!({
            "request_id": id(1),
            "tenant_id": id(2),
            "workspace_id": id(3),
            "user_id": null,
            "locale": "de-AT",
            "applet_id": "conformance",
            "applet_version": "1.2.3",
            "permissions": [
                { "table": "settings", "operations": ["insert"], "soft_deletable": false },
                { "table": "clients", "operations": ["read", "update", "soft-delete"], "soft_deletable": true },
            ],
        })
    );
}

#[tokio::test]
async fn decision_14_each_invocation_gets_a_fresh_instance() {
    let (host, component) = conformance().await;
    for _ in 0..3 {
        assert_eq!(host.named(component, "count", "null").await, Ok("1".to_owned()));
    }
}

#[tokio::test]
async fn decision_14_a_warm_instance_serves_its_installation_until_anything_goes_wrong() {
    let (mut host, component) = conformance().await;
    host.limits.reuse = true;
    let count = async || host.named(component, "count", "null").await.unwrap();
    assert_eq!([count().await, count().await, count().await], ["1", "2", "3"]);
    assert_eq!(applet_code(host.named(component, "fail", "null").await), "out-of-tea");
    assert_eq!(count().await, "4", "an applet's own error is an ordinary answer");
    host.call(component, HookCall::Enable).await.unwrap();
    assert_eq!(count().await, "5", "lifecycle hooks have instances of their own");

    assert_eq!(applet_code(host.named(component, "crash", "null").await), "crashed");
    assert_eq!(count().await, "1");
    host.named(component, "leave-open", "null").await.unwrap();
    assert_eq!(count().await, "1");
    assert_eq!(host.database.count("dropped"), 1);

    let mut late = host.invocation();
    late.deadline = Instant::now() + Duration::from_millis(50);
    let slow = HookCall::Named { name: "sleep".parse().unwrap(), payload: "1000".to_owned() };
    let outcome = host.runtime.call(component, Arc::new(late), slow).await;
    assert_eq!(host_code(outcome), ErrorCode::Deadline);
    assert_eq!(count().await, "1");
}

#[tokio::test]
async fn decision_14_a_warm_instance_serves_nobody_else() {
    let (mut host, component) = conformance().await;
    host.limits.reuse = true;
    let count = async |change: fn(&mut Invocation)| {
        let mut call = host.invocation();
        change(&mut call);
        let hook = HookCall::Named { name: "count".parse().unwrap(), payload: "null".to_owned() };
        host.runtime.call(component, Arc::new(call), hook).await.unwrap()
    };
    assert_eq!([count(|_| {}).await, count(|_| {}).await], ["1", "2"]);
    assert_eq!(count(|call| call.installation = InstallationId::new(Uuid::from_u128(40))).await, "1");
    assert_eq!(count(|_| {}).await, "3");
    // One that does not fit any more is gone, so that nothing read under other grants is at hand.
    assert_eq!(count(|call| call.grants = Arc::new(Grants::builder().build())).await, "1");
    assert_eq!(count(|_| {}).await, "1");
    assert_eq!(count(|call| call.version = Version::new(9, 0, 0)).await, "1");
    assert_eq!(count(|call| call.tenant = TenantId::new(Uuid::from_u128(20))).await, "1");
    assert_eq!(count(|call| Arc::make_mut(&mut call.limits).reuse = false).await, "1");
}

#[tokio::test]
async fn decision_14_each_invocation_of_a_warm_instance_has_its_own_context_log_and_budgets() {
    let (mut host, component) = conformance().await;
    host.limits.reuse = true;
    host.limits.execution.statements = 3;
    host.limits.execution.log_bytes = 40;
    for number in 1..=4_u128 {
        let mut call = host.invocation();
        call.request = RequestId::new(Uuid::from_u128(number));
        let call = Arc::new(call);
        let hook = |name: &str, payload: &str| HookCall::Named {
            name: name.parse().unwrap(),
            payload: payload.to_owned(),
        };
        let context = host.runtime.call(component, Arc::clone(&call), hook("context", "null")).await.unwrap();
        let context: Value = serde_json::from_str(&context).unwrap();
        assert_eq!(context["request_id"], json!(Uuid::from_u128(number)));
        host.runtime.call(component, Arc::clone(&call), hook("many-queries", "3")).await.unwrap();
        host.runtime.call(component, Arc::clone(&call), hook("log", "null")).await.unwrap();
    }
    assert_eq!(
        host.log.all().iter().filter(|line| line.ends_with("seven")).count(),
        4,
        "{:?}",
        host.log.all()
    );
}

#[tokio::test]
async fn decision_19_nothing_of_the_machine_can_be_seen() {
    let (host, component) = conformance().await;
    assert_eq!(
        json(&host, component, "sandbox", json!(null)).await,
        json!({
            "variables": 0, "arguments": 0, "root": false, "here": false, "write": false, "input": 0,
            "since_1970": true,
        })
    );
    assert_eq!(host.named(component, "sleep", "20").await, Ok("true".to_owned()));
}

#[tokio::test]
async fn s4_70_every_type_reaches_the_guest() {
    let (host, component) = conformance().await;
    let answer = json(&host, component, "types", json!("EVERY TYPE")).await;
    assert_eq!(answer["truncated"], json!(true));
    assert_eq!(answer["affected"], json!(1));
    assert_eq!(
        answer["rows"],
        json!([{
            "boolean": true,
            "int16": 7,
            "int32": -7,
            "int64": i64::MAX.to_string(),
            "float32": 1.5,
            "float64": 0.25,
            "numeric": "12345678901234567890.10",
            "text": "naïve",
            "bytes": "\\x00ff",
            "uuid": "11111111-1111-1111-1111-111111111111",
            "date": "2024-03-01",
            "time": "00:00:01",
            "timestamp": "1970-01-01T00:00:00Z",
            "timestamptz": "infinity",
            "interval": "1 months 2 days 3 microseconds",
            "json": { "a": [1, null] },
            "array": [1, 2],
        }])
    );
}

#[tokio::test]
async fn s4_1_every_kind_of_parameter_reaches_the_database() {
    let (host, component) = conformance().await;
    host.named(component, "parameters", "null").await.unwrap();
    assert_eq!(
        host.database.all(),
        [
            "SELECT $1, $2, $3, $4, $5, $6, $7 [Null, Boolean(true), Integer(9223372036854775807), Float(0.5), \
          Text(\"naïve\"), Bytes([0, 255]), Json(\"{\\\"a\\\":[1,null]}\")]"
        ]
    );
}

#[tokio::test]
async fn f3_a_refusal_reaches_the_guest_with_all_it_says() {
    let (host, component) = conformance().await;
    assert_eq!(
        json(&host, component, "refusal", json!("SELECT * FROM secrets")).await,
        json!({
            "permission_denied": true,
            "code": "table-not-allowed",
            "message": "`secrets` is not granted",
            "span": [14, 21],
            "table": "secrets",
            "column": "key",
            "operation": "read",
            "hint": "permissions.database.read: [secrets]",
            "retry_after_ms": 7,
        })
    );
}

#[tokio::test]
async fn decision_10_transactions_commit_roll_back_and_make_room_for_the_next() {
    let (host, component) = conformance().await;
    let kept = "transaction: UPDATE clients SET status = $1 [Text(\"kept\")]";
    host.named(component, "transaction", "null").await.unwrap();
    assert_eq!(host.database.all(), ["begin", kept, "commit"]);

    let (host, component) = conformance().await;
    let gone = "transaction: UPDATE clients SET status = $1 [Text(\"gone\")]";
    host.named(component, "rollback", "null").await.unwrap();
    assert_eq!(host.database.all(), ["begin", gone, "rollback"]);

    let (host, component) = conformance().await;
    host.named(component, "transactions-in-a-row", "null").await.unwrap();
    assert_eq!(host.database.all(), ["begin", "rollback", "begin", "rollback", "begin", "rollback"]);
}

#[tokio::test]
async fn s4_48_batches_and_the_builder_come_through_the_same_door() {
    let (host, component) = conformance().await;
    host.named(component, "batch", "null").await.unwrap();
    host.named(component, "builder", "null").await.unwrap();
    assert_eq!(
        host.database.all(),
        [
            "batch: SELECT 1 []",
            "batch: UPDATE clients SET status = $1 [Text(\"x\")]",
            "SELECT * FROM clients WHERE id = $1 AND clients.deleted_at IS NULL [Integer(7)]",
            "UPDATE clients SET status = $1 WHERE id = $2 AND clients.deleted_at IS NULL [Text(\"x\"), Integer(7)]",
            "UPDATE clients SET deleted_at = now() WHERE id = $1 AND clients.deleted_at IS NULL [Integer(7)]",
        ]
    );
}

#[tokio::test]
async fn s4x_8_log_lines_and_standard_output_arrive_in_order() {
    let (host, component) = conformance().await;
    host.named(component, "log", "null").await.unwrap();
    assert_eq!(
        host.log.all(),
        ["Debug: one", "Info: two", "Warn: three", "Error: four", "Info: five", "Warn: six", "Info: seven"]
    );
}

#[tokio::test]
async fn f4_waiting_for_the_database_costs_no_cpu_budget() {
    let (mut host, component) = conformance().await;
    host.limits.execution.cpu_ms = 100;
    assert_eq!(json(&host, component, "types", json!("WAIT 400")).await["affected"], json!(1));
}

#[tokio::test]
async fn f4_the_invocations_own_deadline_holds() {
    let (host, component) = conformance().await;
    let mut call = host.invocation();
    call.deadline = Instant::now() + Duration::from_millis(50);
    let hook = HookCall::Named { name: "types".parse().unwrap(), payload: "\"WAIT 60000\"".to_owned() };
    assert_eq!(host_code(host.runtime.call(component, Arc::new(call), hook).await), ErrorCode::Deadline);
}

#[tokio::test]
async fn s4_a_panic_of_the_host_ends_one_call_with_a_reference() {
    let (host, component) = conformance().await;
    assert_eq!(host_code(host.named(component, "types", "\"PANIC\"").await), ErrorCode::Internal);
    assert_eq!(host.named(component, "echo", "1").await, Ok("1".to_owned()));
}

#[tokio::test]
async fn s4_compiled_code_survives_a_restart_and_a_damaged_file_is_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    let start = || Host::at(directory.path(), RuntimeLimits { instances: 2, ..RuntimeLimits::default() });
    let component = start().load(&guest("conformance")).await;
    let written = code_file(directory.path());
    assert_eq!(start().named(component, "echo", "1").await, Ok("1".to_owned()));
    assert_eq!(code_file(directory.path()), written);

    let (path, mut bytes) = written;
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(start().named(component, "echo", "1").await, Ok("1".to_owned()));
    assert_ne!(code_file(directory.path()).1, bytes);
}

/// The only file of compiled code in this directory.
fn code_file(directory: &Path) -> (PathBuf, Vec<u8>) {
    let mut paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let path = paths.find(|path| path.extension().is_some_and(|end| end == "code")).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

#[tokio::test]
async fn s4_a_component_that_was_never_submitted_is_not_run() {
    let host = Host::new();
    let unknown = applet_types::ComponentDigest::of(b"never seen");
    assert_eq!(host_code(host.named(unknown, "echo", "1").await), ErrorCode::Internal);
}

#[tokio::test]
async fn s4x_8_the_sample_applet_writes_its_settings_when_it_is_installed() {
    let host = Host::new();
    let component = host.load(&built("sample-applets/target/wasm32-wasip2/release/ai_chat.wasm")).await;
    host.call(component, HookCall::Install).await.unwrap();
    assert_eq!(
        host.database.all(),
        [
            "SELECT model_name, system_prompt, temperature FROM ai_chat_configs LIMIT 1 []",
            "INSERT INTO ai_chat_configs (system_prompt) VALUES ($1) RETURNING * \
             [Text(\"You are a friendly assistant. Answer briefly.\")]",
        ]
    );
}
