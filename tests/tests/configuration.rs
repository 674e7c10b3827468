//! The operator's configuration, by the program: file, environment, flags, and what they do to limits.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::process::Command;

use applet_tests::applet;
use applet_tests::host::{ALDER, HostDirectory, ai_chat, repository};
use serde_json::Value;

fn config(file: &str, environment: &[(&str, &str)], arguments: &[&str]) -> Result<Value, Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("applet.yaml");
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new(applet());
    command.env_clear().env("APPLET_CONFIG", &path).args(["--json", "config"]).args(arguments);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    assert_eq!(output.status.code(), Some(2));
    Err(serde_json::from_slice(&output.stderr).unwrap())
}

/// Spec: S4.60
#[test]
fn s4_60_flags_count_before_the_environment_and_that_before_the_file() {
    let file = "place: {data_dir: /file, database_url: 'postgres://file/db'}\nlimits: {host: {sessions: 50}}";
    let alone = config(file, &[], &[]).unwrap();
    assert_eq!(alone["config"]["place"]["data_dir"], "/file");
    assert_eq!(alone["config"]["limits"]["host"]["sessions"], 50);
    assert_eq!(alone["maximum"]["limits"]["statement"]["rows"], 10_000);

    let environment = [
        ("APPLET_DATA", "/environment"),
        ("DATABASE_URL", "postgres://ann:s3cret@environment/db"),
        ("APPLET_LIMITS_HOST_SESSIONS", "60"),
    ];
    let over = config(file, &environment, &["--data-dir", "/flag"]).unwrap();
    assert_eq!(over["config"]["place"]["data_dir"], "/flag");
    assert_eq!(over["config"]["place"]["database_url"], "postgres://ann:***@environment/db");
    assert_eq!(over["config"]["limits"]["host"]["sessions"], 60);
}

#[test]
fn s4_60_a_bad_configuration_stops_every_command_before_it_starts() {
    let refused = config("limits: {host: {sesions: 5}, statement: {rows: 10001}}", &[], &[]).unwrap_err();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("limits.host.sesions: there is no such key; did you mean `sessions`?"),
        "{message}"
    );
    assert!(
        message.contains("limits.statement.rows: `10001` is more than the maximum of 10000"),
        "{message}"
    );

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = Command::new(applet())
        .args(["serve", "--config", "/nowhere/applet.yaml", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read the configuration"));
    assert!(!data.exists(), "nothing was made");
}

/// What the operator raises reaches an applet with its approval; what they take back is gone at once.
#[test]
fn s4_60_the_operator_raises_a_limit_and_takes_it_back() {
    let directory = HostDirectory::new();
    let raised = directory.path().join("applet.yaml");
    std::fs::write(&raised, "limits: {statement: {joins: 4}}").unwrap();
    let host = directory.serve();
    host.submit(&repository().join("sample-applets/ai-chat/manifest.yaml"), &ai_chat());
    let token = host.token(&ALDER, "admin");
    let run = |raised: Option<&std::path::Path>, arguments: &[&str]| {
        let mut command = directory.command();
        command
            .arg("--json")
            .args(arguments)
            .args(["--workspace", ALDER.workspace])
            .env("APPLET_TOKEN", &token);
        if let Some(file) = raised {
            command.arg("--config").arg(file);
        }
        command.output().unwrap()
    };
    let one_more = "SELECT a.id FROM clients a JOIN clients b ON b.id = a.id JOIN clients c ON c.id = a.id \
                    JOIN clients d ON d.id = a.id JOIN clients e ON e.id = a.id";
    let explain = ["explain", "--applet", "ai-chat", one_more];
    for arguments in [["plan", "ai-chat"], ["approve", "ai-chat"], ["install", "ai-chat"]] {
        let output = run(Some(&raised), &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let shown: Value = serde_json::from_slice(&run(Some(&raised), &explain).stdout).unwrap();
    assert_eq!((&shown["joins"]["used"], &shown["joins"]["limit"]), (&4.into(), &4.into()), "{shown}");
    let refused: Value = serde_json::from_slice(&run(None, &explain).stderr).unwrap();
    assert_eq!(refused["error"]["code"], "too-many-joins");
    host.stop();
}
