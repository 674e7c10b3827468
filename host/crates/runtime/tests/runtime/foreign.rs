//! Interfaces of other hosts that are no way to data. Those that are one have a real database in `tests/`.

use std::sync::Arc;

use applet_types::{Applets, ComponentDigest, ErrorCode, HookCall, Variables};
use serde_json::{Value, json};

use crate::support::{Host, guest};

async fn call(host: &Host, component: ComponentDigest, hook: &str, payload: Value) -> Value {
    let mut variables = Variables::default();
    variables.set("greeting", "hello").unwrap();
    variables.set("DB_URL", "somewhere").unwrap();
    let mut invocation = host.invocation();
    invocation.variables = Arc::new(variables);
    let hook = HookCall::Named { name: hook.parse().unwrap(), payload: payload.to_string() };
    serde_json::from_str(&host.runtime.call(component, Arc::new(invocation), hook).await.unwrap()).unwrap()
}

/// Spec: F15
#[tokio::test]
async fn f15_wasi_config_gives_the_manifests_variables_whatever_the_draft() {
    let host = Host::new();
    let component = host.load(&guest("wasi")).await;
    let all = json!([["DB_URL", "somewhere"], ["greeting", "hello"]]);
    let found = call(&host, component, "look-up", json!("greeting")).await;
    assert_eq!(found, json!({ "draft": "hello", "candidate": "hello", "all": all }));
    let missing = call(&host, component, "look-up", json!("Greeting")).await;
    assert_eq!(missing, json!({ "draft": null, "candidate": null, "all": all }));
}

/// Spec: F15
#[tokio::test]
async fn f15_wasi_logging_writes_to_the_applets_log_which_is_capped_and_escaped() {
    let mut host = Host::new();
    host.limits.execution.log_bytes = 40;
    let component = host.load(&guest("wasi")).await;
    call(&host, component, "write", json!("a\nb")).await;
    assert_eq!(host.log.all(), ["Debug: a\\nb", "Error: billing: a\\nb"]);
    call(&host, component, "write", json!("x".repeat(100))).await;
    assert_eq!(host.log.all().iter().filter(|line| line.contains("log limit reached")).count(), 1);
}

/// A component that imports an empty interface of this name.
fn importing(import: &str) -> Vec<u8> {
    wat::parse_str(format!(r#"(component (import "{import}" (instance)))"#)).unwrap()
}

/// Spec: F15, S4x.8
#[tokio::test]
async fn f15_what_is_not_served_is_refused_by_name_with_what_to_do() {
    let host = Host::new();
    for (import, advice) in [
        ("wasi:keyvalue/store@0.2.0-draft", "`tables` in the manifest"),
        ("fermyon:spin/key-value@2.0.0", "`tables` in the manifest"),
        ("fermyon:spin/llm@2.0.0", "nothing like it here"),
        ("spin:sqlite/sqlite@3.0.0", "`spin:postgres`"),
        ("wasi:http/outgoing-handler@0.2.0", "calls no other hosts"),
        ("wasi:http/types@0.2.0", "`wasi:http/incoming-handler@0.2`"),
        ("wasi:http/types@0.3.0", "`spin-sdk` that is version 5"),
    ] {
        let failure = host.runtime.inspect(&importing(import)).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::ManifestInvalid);
        assert!(failure.message.contains(&format!("`{import}`")), "{}", failure.message);
        assert!(failure.message.contains(advice), "{}", failure.message);
    }
    // Even where the component is not valid without features that are switched off.
    let async_function = r#"(component
        (import "spin:variables/variables@3.0.0" (instance
            (export "get" (func async (param "name" string) (result string))))))"#;
    let component = wat::parse_str(async_function).unwrap();
    let failure = host.runtime.inspect(&component).await.unwrap_err();
    assert!(failure.message.contains("component model's async"), "{}", failure.message);
}
