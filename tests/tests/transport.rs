//! The ways to database and Redis, by the program: what is protected, what is refused, what is said.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::process::Output;

use applet_tests::host::{ALDER, HostDirectory, ai_chat, repository};
use applet_tests::secured::{PASSWORD, SecuredPostgres};
use serde_json::Value;

fn run(directory: &HostDirectory, arguments: &[&str]) -> Output {
    let output = directory.command().arg("--json").args(arguments).output().unwrap();
    for stream in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(stream).contains(PASSWORD), "a password is shown");
    }
    output
}

fn refusal(url: &str, arguments: &[&str]) -> (String, String) {
    let output = run(&HostDirectory::on(url), arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let last = String::from_utf8(output.stderr).unwrap();
    let error: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    let text = |key: &str| error["error"][key].as_str().unwrap().to_owned();
    (text("code"), text("message"))
}

/// The main job over TLS: install, approve, read, write, audit; and the doctor says how it goes there.
///
/// Spec: G44
#[test]
fn g44_a_host_serves_from_a_database_that_proves_its_name() {
    let server = SecuredPostgres::start();
    let authority = server.authority();
    let url = server.url("localhost", &format!("sslmode=verify-full&sslrootcert={}", authority.display()));
    let directory = HostDirectory::on(&url);
    let host = directory.serve();
    host.submit(&repository().join("sample-applets/ai-chat/manifest.yaml"), &ai_chat());
    host.install(&ALDER, "ai-chat");
    let answer = host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let doctor: Value = serde_json::from_slice(&run(&directory, &["doctor"]).stdout).unwrap();
    assert_eq!(doctor["transport"]["kind"], "tls");
    assert_eq!(doctor["transport"]["version"], "TLS 1.3");
    assert_eq!(doctor["transport"]["proved"], "name");
    host.stop();
}

/// Spec: G44
#[test]
fn g44_a_host_does_not_start_on_a_way_that_anybody_could_take() {
    let server = SecuredPostgres::start();
    let authority = server.authority();
    let (code, message) = refusal(&server.url("localhost", "sslmode=verify-full"), &["serve"]);
    assert!(["tls-certificate", "tls-authorities"].contains(&code.as_str()), "{code}: {message}");
    assert!(message.contains("sslrootcert"), "{message}");
    let elsewhere = format!("sslmode=verify-full&sslrootcert={}", authority.display());
    let (code, message) = refusal(&server.url("127.0.0.1", &elsewhere), &["serve"]);
    assert_eq!(code, "tls-certificate");
    assert!(message.contains("is not for `127.0.0.1` but for `localhost`"), "{message}");

    for weak in ["sslmode=disable", "sslmode=require"] {
        for command in [&["serve"][..], &["doctor"]] {
            let (code, message) = refusal(&server.url("db.example", weak), command);
            assert_eq!(code, "insecure-transport");
            assert!(message.contains("security.insecure_transport: true"), "{message}");
        }
    }
    let plain = ["serve", "--redis-url", "redis://:s3cret@cache.example"];
    let (code, message) = refusal(&server.url("localhost", "sslmode=disable"), &plain);
    assert_eq!(code, "insecure-transport");
    assert!(message.contains("`cache.example:6379`"), "{message}");
}

/// Spec: G44
#[test]
fn g44_redis_and_audit_are_keys_of_the_file() {
    let directory = HostDirectory::new();
    let file = directory.path().join("applet.yaml");
    let text = "place: {redis_url: 'rediss://:s3cret@cache', redis_root_cert: /ca.pem}\naudit: {strict: true}\n\
                security: {insecure_transport: true}";
    std::fs::write(&file, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    let shown = |more: &[&str]| -> Value {
        let arguments = [&["config", "--config", file.to_str().unwrap()], more].concat();
        serde_json::from_slice(&run(&directory, &arguments).stdout).unwrap()
    };
    let config = &shown(&[])["config"];
    assert_eq!(config["place"]["redis_url"], "rediss://:***@cache");
    assert_eq!(config["place"]["redis_root_cert"], "/ca.pem");
    assert_eq!(
        (&config["audit"]["strict"], &config["security"]["insecure_transport"]),
        (&true.into(), &true.into())
    );
    let over = &shown(&[
        "--audit-strict=false",
        "--insecure-transport=false",
        "--redis-url",
        "redis://localhost",
    ])["config"];
    assert_eq!(over["place"]["redis_url"], "redis://localhost");
    assert_eq!(
        (&over["audit"]["strict"], &over["security"]["insecure_transport"]),
        (&false.into(), &false.into())
    );
}
