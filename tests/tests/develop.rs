//! The developer's hour: a new project, built, tested and served, with the real tools of its language.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use applet_tests::applet;
use applet_tests::host::repository;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How the steps look in a language: every template keeps notes.
struct Spoken {
    language: &'static str,
    source: &'static str,
    /// A piece of the source, and what makes `list` answer with one note only.
    shorter: (&'static str, &'static str),
    /// A piece of the source, and what makes `list` write `listed` to the log.
    logging: (&'static str, &'static str),
    /// A piece of the source, and what makes `list` read what the manifest does not ask for.
    curious: (&'static str, &'static str),
    /// The same for a table that the test's own script makes.
    leaking: (&'static str, &'static str),
}

const RUST: Spoken = Spoken {
    language: "rust",
    source: "src/lib.rs",
    shorter: (".limit(100)", ".limit(1)"),
    logging: (
        "fn list((): ()) -> Result<Value> {",
        "fn list((): ()) -> Result<Value> {\n    applet_sdk::log::info(\"listed\");",
    ),
    curious: (r#"table("notes").select(["id", "body"])"#, r#"table("invoices").select(["id", "number"])"#),
    leaking: (
        r#"table("notes").select(["id", "body"])"#,
        r#"table("client_totals").select(["id", "total"])"#,
    ),
};

const TYPESCRIPT: Spoken = Spoken {
    language: "typescript",
    source: "src/index.ts",
    shorter: (".limit(100)", ".limit(1)"),
    logging: ("async function list() {", "async function list() {\n  sdk.log.info(\"listed\");"),
    curious: (NOTES, r#"sdk.db.query("SELECT id, number FROM invoices")"#),
    leaking: (NOTES, r#"sdk.db.query("SELECT id, total FROM client_totals")"#),
};

/// What `list` answers with in TypeScript.
const NOTES: &str = r#"sdk.db.table("notes").select("id", "body").orderBy("id", "desc").limit(1).get()"#;

/// A table of the platform that counts over all tenants and shows each of them the sum: both walls let a tenant
/// see its own row of it, and that row tells of everybody else's.
const LEAKING_TABLE: &str = "
CREATE TABLE IF NOT EXISTS client_totals (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id bigint NOT NULL DEFAULT 1,
    total numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);
INSERT INTO client_totals (tenant_id) SELECT id FROM tenants ON CONFLICT DO NOTHING;
CREATE OR REPLACE FUNCTION total_clients() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE client_totals SET total = (SELECT sum(lifetime_value) FROM clients);
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS totals ON clients;
CREATE TRIGGER totals AFTER INSERT OR UPDATE OR DELETE ON clients FOR EACH STATEMENT EXECUTE FUNCTION total_clients();
";

struct Project {
    _folder: TempDir,
    root: PathBuf,
}

fn program() -> Command {
    let mut command = Command::new(applet());
    command
        // What was compiled for one project serves the next one.
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("projects"))
        .env("GO", go())
        .env_remove("APPLET_DATA")
        .env_remove("DATABASE_URL")
        .env_remove("APPLET_TOKEN");
    command
}

/// Go, as the guests of this repository are built with it.
fn go() -> PathBuf {
    let installed = repository().join(".tools/go-1.27.3/go/bin/go");
    if installed.is_file() { installed } else { PathBuf::from("go") }
}

impl Project {
    /// A new project, unless this machine has no tools for its language, or the program no SDK: then the reason
    /// is printed.
    fn of(language: &str) -> Option<Self> {
        let reason = match Self::try_new(language) {
            Ok(project) => {
                let output = project.run(&["build"]);
                let error: Value = serde_json::from_slice(&output.stderr).unwrap_or_default();
                match error["error"]["code"].as_str() {
                    Some("toolchain-missing") => error["error"]["message"].to_string(),
                    _ => return Some(project),
                }
            }
            Err(reason) if reason.contains("--sdk names one") => reason,
            Err(reason) => panic!("{reason}"),
        };
        println!("skipped: projects in {language}: {reason}");
        None
    }

    fn try_new(language: &str) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("applet-develop-").tempdir().unwrap();
        // As root, the private PostgreSQL runs as another user, who has to get through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let made = program()
            .args(["--json", "new", "my-notes", "--language", language])
            .current_dir(folder.path())
            .output()
            .unwrap();
        if !made.status.success() {
            return Err(said(&made.stderr));
        }
        let root = folder.path().join("my-notes");
        Ok(Self { _folder: folder, root })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        program().arg("--json").args(arguments).current_dir(&self.root).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {} {}", said(&output.stdout), said(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn edit(&self, file: &str, (from, to): (&str, &str)) {
        let path = self.root.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `applet dev`, running.
struct Dev {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Dev {
    fn start(project: &Project) -> Self {
        let mut child = program()
            .args(["--json", "dev", "--listen", "127.0.0.1:0"])
            .current_dir(&project.root)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut dev = Self { child, events, address: String::new() };
        let listening = dev.until("listening");
        dev.address = listening["address"].as_str().unwrap().to_owned();
        assert_eq!(listening["hooks"], json!(["add", "list"]));
        dev
    }

    /// The next event of a kind; those before it are passed over.
    fn until(&mut self, event: &str) -> Value {
        let mut passed = Vec::new();
        for line in &mut self.events {
            let line = line.unwrap();
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if value["event"] == event {
                return value;
            }
            passed.push(line);
        }
        panic!("`applet dev` ended before `{event}`: {}", passed.join("\n"));
    }

    /// Calls a hook by the short path.
    fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {body}")))
    }

    /// Ctrl-C.
    fn stop(mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
        self.until("stopped");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // A test that failed half-way leaves nothing behind; one that was stopped is gone already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn built(project: &Project) {
    let report = project.ok(&["build"]);
    assert_eq!((&report["id"], &report["version"]), (&json!("my-notes"), &json!("0.1.0")));
    let file = PathBuf::from(report["file"].as_str().unwrap());
    assert!(file.is_file() && file.ends_with("my-notes-0.1.0.applet"), "{}", file.display());
}

fn tested(project: &Project) {
    let report = project.ok(&["test"]);
    assert_eq!((&report["ok"], &report["twin"]["leaks"]), (&json!(true), &json!([])));
    assert_eq!(report["tests"].as_array().unwrap().len(), 3);
    let unused = |line: &&Value| line["used"] == false;
    let unused: Vec<_> = report["coverage"].as_array().unwrap().iter().filter(unused).collect();
    assert_eq!(
        unused,
        [&json!({ "operation": "update", "table": "notes", "used": false, "unused_columns": [] })]
    );

    let wrong = "- { name: wrong, hook: add, payload: { body: a }, matches: { body: b } }\n";
    let file = project.root.join("tests/wrong.yaml");
    std::fs::write(&file, wrong).unwrap();
    let output = project.run(&["test", "--only", "wrong"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["tests"][0]["failures"], json!([r#"`add`: at `body`: expected "b", got "a""#]));
    std::fs::remove_file(file).unwrap();
}

fn developed(project: &Project, spoken: &Spoken) {
    let mut dev = Dev::start(project);
    for body in ["one", "two"] {
        assert_eq!(dev.post("/alder/add", &json!({ "body": body }).to_string()).0, 200);
    }
    let (status, notes) = dev.post("/alder/list", "null");
    assert_eq!((status, notes.as_array().unwrap().len()), (200, 2), "{notes}");
    assert_eq!(dev.post("/birch/list", "null"), (200, json!([])));
    for _ in 0..3 {
        dev.until("request");
    }
    let shown = dev.until("request");
    assert_eq!((&shown["tenant"], &shown["hook"]), (&json!("birch"), &json!("list")));
    let rewritten = shown["statements"][0]["rewritten"].as_str().unwrap();
    assert!(rewritten.contains(r#""tenant_id" = $"#), "{rewritten}");

    // Saved, and answered by the new code; what was kept stays.
    project.edit(spoken.source, spoken.shorter);
    assert_eq!(dev.until("running")["planned"], false, "new code under the same grants is not planned anew");
    let (_, notes) = dev.post("/alder/list", "null");
    assert_eq!(notes.as_array().unwrap().len(), 1, "{notes}");
    dev.until("request");

    project.edit(spoken.source, spoken.logging);
    dev.until("running");
    dev.post("/birch/list", "null");
    assert_eq!(dev.until("request")["log"], json!([{ "level": "info", "text": "listed" }]));
    let line = project.ok(&["logs"]);
    assert_eq!((&line["text"], &line["applet"]), (&json!("listed"), &json!("my-notes")));
    assert!(project.run(&["logs", "--level", "warn"]).stdout.is_empty());

    // Refused, with the line that is missing; then that line, and it is answered.
    project.edit(spoken.source, spoken.curious);
    dev.until("running");
    assert_eq!(dev.post("/alder/list", "null").0, 422);
    let shown = dev.until("request");
    let refused = &shown["statements"][0];
    assert_eq!(refused["error"]["code"], "table-not-allowed");
    assert!(refused["error"]["span"]["start"].as_u64().is_some());
    assert_eq!(
        refused["manifest_line"],
        json!({ "line": 8, "replaces": true, "text": "    read: [invoices]" })
    );
    project.edit("manifest.yaml", ("    read: []", "    read: [invoices]"));
    assert_eq!(dev.until("running")["planned"], true, "a permission is granted before it is used");
    let (status, invoices) = dev.post("/birch/list", "null");
    assert_eq!((status, &invoices[0]["number"]), (200, &json!("B-2026-001")), "{invoices}");

    // A build that fails leaves what ran.
    let (from, to) = spoken.curious;
    project.edit(spoken.source, (to, "((("));
    let failed = dev.until("failed");
    assert_eq!((&failed["error"]["code"], &failed["goes_on"]), (&json!("build-failed"), &json!(true)));
    assert_eq!(dev.post("/birch/list", "null").0, 200);
    project.edit(spoken.source, ("(((", from));
    dev.until("running");
    dev.stop();
}

fn found_leaking(project: &Project, spoken: &Spoken) {
    std::fs::write(project.root.join("tests/seed.sql"), LEAKING_TABLE).unwrap();
    let total = "- { name: the total, hook: list }\n";
    std::fs::write(project.root.join("tests/total.yaml"), total).unwrap();
    project.edit("manifest.yaml", ("    read: [invoices]", "    read: [client_totals]"));
    project.edit(spoken.source, spoken.leaking);
    let output = project.run(&["test", "--only", "the total"]);
    assert_eq!(output.status.code(), Some(1), "{} {}", said(&output.stdout), said(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["tests"][0]["ok"], true, "the test itself is content");
    let leaks = report["twin"]["leaks"].as_array().unwrap();
    let answers =
        |leak: &&Value| leak["what"].as_str().unwrap().contains("answered differently at `[0].total`");
    let leak = leaks.iter().find(answers).unwrap_or_else(|| panic!("{report}"));
    assert_eq!((&leak["changed"], &leak["seen_by"]), (&json!("alder"), &json!("birch")));
    assert_eq!(project.run(&["test", "--only", "the total", "--no-twin"]).status.code(), Some(0));
}

/// Spec: F13, F3
#[test]
fn a_new_rust_project_is_built_tested_and_served() {
    let project = Project::of(RUST.language).unwrap();
    built(&project);
    tested(&project);
    developed(&project, &RUST);
    found_leaking(&project, &RUST);
}

/// Spec: F13, F3
#[test]
fn a_new_typescript_project_is_built_tested_and_served() {
    let Some(project) = Project::of(TYPESCRIPT.language) else { return };
    built(&project);
    tested(&project);
    developed(&project, &TYPESCRIPT);
    found_leaking(&project, &TYPESCRIPT);
}

/// Spec: F13
#[test]
fn a_new_python_project_is_built_and_tested() {
    let Some(project) = Project::of("python") else { return };
    built(&project);
    tested(&project);
}

/// Spec: F13
#[test]
fn a_new_go_project_is_built_and_tested() {
    let Some(project) = Project::of("go") else { return };
    built(&project);
    tested(&project);
}

/// Spec: F13
#[test]
fn what_cannot_be_made_is_told_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let new = |arguments: &[&str]| {
        let output = program().args(["new"]).args(arguments).current_dir(folder.path()).output().unwrap();
        (output.status.code(), said(&output.stderr))
    };
    let told = [
        (vec!["MyNotes"], "`my-notes` would do"),
        (vec!["my-notes", "--language", "rsut"], "'rust'"),
        (vec!["my-notes", "--example", "ai-chta"], "did you mean `ai-chat`?"),
        (vec!["my-notes", "--sdk", "nowhere"], "there is no SDK in `nowhere`"),
        (vec!["a-name-that-is-too-long-for-any-table-of-it"], "take another one"),
    ];
    for (arguments, wanted) in told {
        let (code, error) = new(&arguments);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(wanted), "{arguments:?}: {error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let outside = program().arg("build").current_dir(folder.path()).output().unwrap();
    assert!(said(&outside.stderr).contains("`applet new NAME` makes a project"));
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/mine"), "").unwrap();
    assert!(new(&["my-notes", "--dir", "full"]).1.contains("not empty"));
}

/// Spec: F13
#[test]
fn shells_can_complete_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(applet()).args(["completions", shell]).output().unwrap();
        let script = said(&output.stdout);
        assert!(output.status.success() && script.contains("completions") && script.contains("language"));
    }
    let script = Command::new(applet()).args(["completions", "bash"]).output().unwrap().stdout;
    let mut child = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&script).unwrap();
    assert!(child.wait().unwrap().success(), "bash can read it");
}
