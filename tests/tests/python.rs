//! An applet in Python, end to end: built from source by its SDK, and served for two tenants by the real program.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::PathBuf;
use std::process::Command;

use applet_tests::host::{ALDER, BIRCH, HostDirectory, repository};
use serde_json::{Value, json};

/// What a build exits with when its tools cannot be had.
const NO_TOOLS: i32 = 3;

/// Builds the sample; nothing, with the reason printed, when PyPI cannot be reached and never was.
fn report() -> Option<PathBuf> {
    let folder = repository().join("sample-applets/report");
    let output = Command::new("sh").arg("build.sh").current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NO_TOOLS) {
        println!("SKIPPED: {said}");
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(folder.join("dist/report.wasm"))
}

fn names(report: &Value) -> Vec<&str> {
    report["clients"].as_array().unwrap().iter().map(|client| client["name"].as_str().unwrap()).collect()
}

/// Spec: S4.39, S4.41-43, S4.48, S4.55, S4x.8, F2
#[test]
fn two_tenants_get_reports_from_python_on_their_own_rows_only() {
    let Some(component) = report() else { return };
    let directory = HostDirectory::new();
    let host = directory.serve();
    host.submit(&repository().join("sample-applets/report/manifest.yaml"), &component);
    for tenant in [&ALDER, &BIRCH] {
        let installed = host.install(tenant, "report");
        let twins = installed["twin"]["tables"].as_array().unwrap();
        assert!(!twins.is_empty() && twins.iter().all(|table| table["verdict"] == "holds"), "{twins:?}");
    }

    let alder = host.hook(&ALDER, &ALDER, "report", "monthly", "null");
    let birch = host.hook(&BIRCH, &BIRCH, "report", "monthly", "null");
    assert_eq!((alder.status, birch.status), (200, 200), "{} {}", alder.body, birch.body);
    assert_eq!(names(&alder.json()), ["Anna Adams", "Arthur Archer", "Aisha Amin"]);
    assert_eq!(names(&birch.json()), ["Boris Brown", "Bianca Bell"]);
    assert_eq!(
        alder.json()["new_clients"],
        json!([
            { "status": "active", "clients": 2, "value": "1510.50" },
            { "status": "lead", "clients": 1, "value": "0.00" },
        ]),
        "decimals keep their digits"
    );
    assert_eq!(
        birch.json()["messages"],
        json!([{ "sender_type": "client", "messages": 1, "chats": 1 }]),
        "a join counts own rows only"
    );

    // The same month by its name, and one in which nothing was.
    let month = json!({ "month": alder.json()["month"] }).to_string();
    assert_eq!(host.hook(&ALDER, &ALDER, "report", "monthly", &month).json(), alder.json());
    let before = host.hook(&ALDER, &ALDER, "report", "monthly", r#"{"month":"2001-01"}"#);
    assert_eq!(before.json()["new_clients"], json!([]), "{}", before.body);

    let file = host.hook(&BIRCH, &BIRCH, "report", "monthly-csv", "null").json();
    assert_eq!(
        file["csv"],
        "id,name,status,value,chats,messages\r\n1,Boris Brown,active,98000.00,1,1\r\n2,Bianca Bell,lead,0.00,0,0\r\n"
    );

    // By the query builder.
    let newest = host.hook(&BIRCH, &BIRCH, "report", "clients", "null").json();
    assert_eq!(newest[0], json!({ "id": 2, "first_name": "Bianca", "last_name": "Bell", "status": "lead" }));
    assert_eq!(newest.as_array().unwrap().len(), 2);

    for (payload, code) in
        [(r#"{"month":"2026-13"}"#, "bad-month"), (r#"{"month":7}"#, "bad-payload"), ("[]", "bad-payload")]
    {
        let refused = host.hook(&ALDER, &ALDER, "report", "monthly", payload);
        assert_eq!((refused.status, &refused.json()["applet_code"]), (422, &json!(code)), "{payload}");
    }
    assert_eq!(host.hook(&BIRCH, &ALDER, "report", "monthly", "null").status, 404);
    host.stop();
}
