//! Spec F10: calls recorded on a real host and a real PostgreSQL, and played again when both are gone.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use applet_tests::conformance::{Language, Suite};
use applet_tests::host::{ALDER, BIRCH, Host, HostDirectory, Tenant, ai_chat, repository};
use applet_tests::{Database, applet};
use serde_json::{Value, json};

const CONFORMANCE: &str = "conformance";

/// `applet record`, once the host takes it.
struct Recording {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Recording {
    fn order(directory: &HostDirectory, token: &str, applet: &str, more: &[&str]) -> Self {
        let mut child = directory
            .command()
            .args(["record", applet])
            .args(more)
            .env("APPLET_TOKEN", token)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.starts_with("recording the next calls"), "{first}");
        Self { child, lines }
    }

    /// The files, once it is over.
    fn files(mut self) -> Vec<PathBuf> {
        let told: Vec<String> = self.lines.by_ref().map(Result::unwrap).collect();
        assert!(self.child.wait().unwrap().success(), "{told:?}");
        told.iter().filter_map(|line| line.split_once(" in ").map(|(_, file)| PathBuf::from(file))).collect()
    }
}

/// The program with no database to be found anywhere.
fn replay(directory: &HostDirectory, files: &[PathBuf], component: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(applet());
    command
        .args(more)
        .arg("replay")
        .args(files)
        .arg("--component")
        .arg(component)
        .env("APPLET_DATA", directory.path().join("replays"))
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing");
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn hook(host: &Host<'_>, tenant: &Tenant, applet: &str, hook: &str, body: &Value) -> Value {
    let answer = host.hook(tenant, tenant, applet, hook, &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Every text in an answer that is long enough to be told from chance.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.len() > 2 => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => Vec::new(),
    }
}

/// A host with the sample applet in both tenants.
fn with_ai_chat(host: &Host<'_>) {
    host.submit(&repository().join("sample-applets/ai-chat/manifest.yaml"), &ai_chat());
    host.install(&ALDER, "ai-chat");
    host.install(&BIRCH, "ai-chat");
}

/// Another build: the same component with another text in it, of the same length.
fn patched(directory: &HostDirectory, from: &str, to: &str) -> PathBuf {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(ai_chat()).unwrap();
    let places: Vec<_> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, part)| *part == from.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "`{from}` is not in the component");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    let file = directory.path().join("another.wasm");
    std::fs::write(&file, bytes).unwrap();
    file
}

/// The test's call, with whatever is different each time left out.
fn golden(name: &str, told: &str) {
    let file = repository().join("tests/golden/replay").join(name);
    let told: String =
        told.lines().filter(|line| !line.starts_with("replaying ")).map(|line| format!("{line}\n")).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(&file).unwrap_or_default(), "{}", file.display());
}

/// Spec: F10
#[tokio::test]
async fn f10_a_call_is_played_without_its_database_and_another_build_shows_what_it_changes() {
    let database = Database::empty().await;
    let directory = HostDirectory::on(&database.url()).with_setting("APPLET_ALLOW_RECORDING", "true");
    let host = directory.serve();
    with_ai_chat(&host);
    let token = host.token(&ALDER, "admin");
    let recording = Recording::order(&directory, &token, "ai-chat", &["--calls", "2"]);
    // Another tenant's calls are nobody's business.
    hook(&host, &BIRCH, "ai-chat", "summary", &Value::Null);
    hook(&host, &ALDER, "ai-chat", "summary", &Value::Null);
    hook(&host, &ALDER, "ai-chat", "reply", &json!({ "chat_id": 1 }));
    let files = recording.files();
    let trail = host.admin(&ALDER, &["audit", "list", "--limit", "500"]);
    assert_eq!(trail.to_string().matches("\"operation\":\"record\"").count(), 2, "{trail}");
    assert!(!host.admin(&BIRCH, &["audit", "list"]).to_string().contains("\"record\""));
    host.stop();
    drop(database);

    let [summary, reply] = files.as_slice() else { panic!("{files:?}") };
    for file in &files {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let told = std::fs::read_to_string(file).unwrap();
        assert!(told.contains(ALDER.id) && !told.contains(BIRCH.id) && !told.contains("Birch"), "{told}");
        assert!(!told.contains(&token), "a token is in the file");
    }

    let same = replay(&directory, &files, &ai_chat(), &[]);
    assert_eq!(same.status.code(), Some(0), "{}", text(&same));
    let strict = replay(&directory, &files, &ai_chat(), &["--json"]);
    let lines: Vec<Value> = text(&strict).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| line["same"] == true), "{lines:?}");

    let asks_else = patched(&directory, "FROM chats WHERE status = $1", "FROM chats WHERE status <>$1");
    let differs = replay(&directory, std::slice::from_ref(summary), &asks_else, &[]);
    assert_eq!(differs.status.code(), Some(1), "{}", text(&differs));
    golden("another-question.txt", &text(&differs));

    let denied =
        patched(&directory, "SELECT count(*) FROM chat_messages", "SELECT count(*) FROM card_messages");
    let denies = replay(&directory, std::slice::from_ref(summary), &denied, &[]);
    assert_eq!(denies.status.code(), Some(1), "{}", text(&denies));
    golden("denied.txt", &text(&denies));

    let writes_else = patched(&directory, "looking into it.", "looking at that.");
    let differs = replay(&directory, std::slice::from_ref(reply), &writes_else, &[]);
    assert_eq!(differs.status.code(), Some(1), "{}", text(&differs));
    golden("another-write.txt", &text(&differs));
}

/// Spec: F10
#[tokio::test]
async fn f10_recording_needs_the_operator_and_an_admin_and_redaction_leaves_no_value() {
    let database = Database::empty().await;
    let directory = HostDirectory::on(&database.url());
    let host = directory.serve();
    with_ai_chat(&host);
    let token = host.token(&ALDER, "admin");
    let refused =
        directory.command().args(["record", "ai-chat"]).env("APPLET_TOKEN", &token).output().unwrap();
    assert!(!refused.status.success() && text(&refused).contains("--allow-recording"), "{}", text(&refused));
    host.stop();

    let directory = directory.with_setting("APPLET_ALLOW_RECORDING", "true");
    let host = directory.serve();
    let member = host.token(&ALDER, "member");
    let refused =
        directory.command().args(["record", "ai-chat"]).env("APPLET_TOKEN", &member).output().unwrap();
    assert!(text(&refused).contains("forbidden"), "{}", text(&refused));

    let recording = Recording::order(&directory, &token, "ai-chat", &["--redact"]);
    let answer = hook(&host, &ALDER, "ai-chat", "summary", &Value::Null);
    let files = recording.files();
    let told = std::fs::read_to_string(&files[0]).unwrap();
    let values = texts(&answer);
    assert!(values.len() > 5, "{answer}");
    for value in values {
        assert!(!told.contains(&value), "{value} is in {told}");
    }
    // What was looked up by values that were read finds its answers all the same.
    let played = replay(&directory, &files, &ai_chat(), &["--json"]);
    assert_eq!(played.status.code(), Some(0), "{}", text(&played));
    host.stop();
}

/// Spec: F10
#[tokio::test]
async fn f10_files_that_are_no_recordings_are_refused_with_a_code() {
    let directory = HostDirectory::new();
    let refused = |name: &str, bytes: &[u8]| {
        let file = directory.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let output = replay(&directory, &[file], &ai_chat(), &["--json"]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused("empty", b""), "not-a-recording");
    assert_eq!(refused("version", b"{\"recording\":99}\n"), "recording-version");
    assert_eq!(refused("cut", b"{\"recording\":1}\n"), "recording-truncated");
    let seal = "{\"lines\":1,\"sha256\":\"00\"}\n";
    assert_eq!(refused("wrong", format!("{{\"recording\":1}}\n{seal}").as_bytes()), "recording-damaged");
    // Ten gigabytes, of which nobody reads more than a recording may have.
    let huge = directory.path().join("huge");
    std::fs::File::create(&huge).unwrap().set_len(10 << 30).unwrap();
    let output = replay(&directory, &[huge], &ai_chat(), &["--json"]);
    assert!(text(&output).contains("recording-too-large"), "{}", text(&output));
}

/// Whether one of both was ended by a clock: on a busy machine, a call that is near its limits may be over in one and
/// not in the other.
fn ended_by_time(compared: &Value) -> bool {
    let is_time = |end: &Value| {
        end.as_str().is_some_and(|end| end.contains(" ms of CPU") || end.contains("did not finish in time"))
    };
    is_time(&compared["recorded_end"]) || is_time(&compared["replayed_end"])
}

async fn replays_itself(language: Language) {
    let component = match language.component() {
        Ok(component) => component,
        Err(reason) => return println!("{} is SKIPPED: {reason}", language.name()),
    };
    let database = Database::empty().await;
    let directory = HostDirectory::on(&database.url())
        .under_load()
        .with_limit("execution.cpu_ms", 1_000)
        .with_setting("APPLET_ALLOW_RECORDING", "true");
    let host = directory.serve();
    host.submit(&repository().join("tests/conformance/manifest.yaml"), &component);
    host.install(&ALDER, CONFORMANCE);
    let token = host.token(&ALDER, "admin");
    let calls = Suite::read().calls;
    let number = calls.len().min(100);
    let recording =
        Recording::order(&directory, &token, CONFORMANCE, &["--for", "600", "--calls", &number.to_string()]);
    for call in calls.iter().take(number) {
        host.hook_with(&token, &ALDER, CONFORMANCE, &call.hook, &call.payload.to_string());
    }
    let files = recording.files();
    assert_eq!(files.len(), number);
    host.stop();
    drop(database);

    let output = replay(&directory, &files, &component, &["--json"]);
    let told: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let differ: Vec<String> =
        told.iter().filter(|one| one["same"] != true && !ended_by_time(one)).map(Value::to_string).collect();
    assert!(differ.is_empty(), "{}: {} differ\n{}", language.name(), differ.len(), differ.join("\n"));
    assert_eq!(told.len(), number, "{}", text(&output));
    println!("{}: {number} calls replayed, all the same", language.name());
}

/// Spec: F10
#[tokio::test]
async fn f10_rust_replays_itself() {
    replays_itself(Language::Rust).await;
}

/// Spec: F10
#[tokio::test]
async fn f10_typescript_replays_itself() {
    replays_itself(Language::TypeScript).await;
}

/// Spec: F10
#[tokio::test]
async fn f10_python_replays_itself() {
    replays_itself(Language::Python).await;
}

/// Spec: F10
#[tokio::test]
async fn f10_c_replays_itself() {
    replays_itself(Language::C).await;
}

/// Spec: F10
#[tokio::test]
async fn f10_go_replays_itself() {
    replays_itself(Language::Go).await;
}
