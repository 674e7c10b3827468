//! Spec F16: the guests of all languages pass one suite, `tests/conformance`, through the real program on a real
//! PostgreSQL. One test per language; what fails is named by language and case.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use applet_tests::Database;
use applet_tests::conformance::{Call, Expected, Language, Lifecycle, LogLine, Problem, Suite, difference};
use applet_tests::host::{ALDER, Answer, BIRCH, Host, HostDirectory, Tenant, applet_lines, repository};
use serde_json::Value;

const APPLET: &str = "conformance";
const TENANTS: [(&str, Tenant); 2] = [("alder", ALDER), ("birch", BIRCH)];

/// A language's guest, installed in two tenants of a host.
struct Run<'a> {
    language: Language,
    host: &'a Host<'a>,
    log: File,
    tokens: BTreeMap<(&'static str, String), String>,
    differences: Vec<String>,
}

impl Run<'_> {
    fn note(&mut self, place: &str, difference: impl std::fmt::Display) {
        self.differences.push(format!("{}: {place}: {difference}", self.language.name()));
    }

    /// Calls a hook, and compares what comes of it.
    fn call(&mut self, call: &Call, name: &'static str, tenant: &Tenant) {
        let place = format!("{} ({name})", call.case);
        let answer = self.ask(call, tenant);
        let lines = self.new_lines();
        let differs = match &call.expected {
            Expected::Answer(expected) => unlike(expected, &answer, tenant),
            Expected::Answers(each) => unlike(each.get(name).unwrap(), &answer, tenant),
            Expected::Problem(problem) => another_problem(problem, &answer),
        };
        if let Some(differs) = differs {
            self.note(&place, differs);
        }
        if let Some(expected) = call.log.as_ref().filter(|expected| **expected != lines) {
            self.note(&place, format!("expected the lines {expected:?}, got {lines:?}"));
        }
    }

    fn ask(&mut self, call: &Call, tenant: &Tenant) -> Answer {
        let host = self.host;
        let token = self
            .tokens
            .entry((tenant.id, call.role.clone()))
            .or_insert_with(|| format!("Bearer {}", host.token(tenant, &call.role)));
        let mut headers = vec![("Authorization", token.as_str())];
        headers.extend(call.locale.as_deref().map(|locale| ("Accept-Language", locale)));
        let path = format!("/api/v2/workspaces/{}/applets/{APPLET}/hooks/{}", tenant.workspace, call.hook);
        host.request("POST", &path, &headers, &call.payload.to_string())
    }

    /// What applets have written since this was asked last. The host writes a line before it answers.
    fn new_lines(&mut self) -> Vec<LogLine> {
        let mut text = String::new();
        self.log.read_to_string(&mut text).unwrap();
        // Of a line that somebody is still writing, the rest comes later.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let rest = i64::try_from(text.len() - whole).unwrap();
        self.log.seek(SeekFrom::Current(-rest)).unwrap();
        lines(text.get(..whole).unwrap())
    }

    /// A command that calls a lifecycle hook writes what the hook writes.
    fn lifecycle(&mut self, step: &Lifecycle, tenant: &Tenant, arguments: &[&str]) {
        let here = ["--workspace", tenant.workspace];
        let arguments: Vec<_> = arguments.iter().chain(&here).copied().collect();
        let output = self.host.try_admin(tenant, &arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        let expected = [LogLine { level: "info".to_owned(), text: step.line.clone() }];
        let written = lines(&errors);
        if !output.status.success() {
            self.note(&step.hook, errors);
        } else if written != expected {
            self.note(&step.hook, format!("expected the lines {expected:?}, got {written:?}"));
        }
    }
}

fn lines(log: &str) -> Vec<LogLine> {
    applet_lines(log).into_iter().map(|(level, text)| LogLine { level, text }).collect()
}

fn unlike(expected: &Value, answer: &Answer, tenant: &Tenant) -> Option<String> {
    if answer.status != 200 {
        return Some(format!("no answer: {}", answer.body));
    }
    difference(expected, &answer.json(), tenant)
}

fn another_problem(expected: &Problem, answer: &Answer) -> Option<String> {
    let given = answer.json();
    let is = |name: &str, text: &Option<String>| text.is_none() || given[name].as_str() == text.as_deref();
    let same = answer.status == expected.status
        && given["code"].as_str() == Some(&expected.code)
        && is("applet_code", &expected.applet_code)
        && is("detail", &expected.detail);
    (!same).then(|| format!("expected {expected:?}, got {} {given}", answer.status))
}

/// The manifest, in the next version.
fn next_version(directory: &HostDirectory, manifest: &Path) -> PathBuf {
    let text = std::fs::read_to_string(manifest).unwrap().replace("version: 1.0.0", "version: 1.1.0");
    let path = directory.path().join("next.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

async fn run(language: Language) {
    let component = match language.component() {
        Ok(component) => component,
        Err(reason) => return println!("{} is SKIPPED: {reason}", language.name()),
    };
    let suite = Suite::read();
    let [install, disable, enable, upgrade, uninstall] = suite.lifecycle.as_slice() else {
        panic!("the suite has another lifecycle")
    };
    let database = Database::empty().await;
    let directory = HostDirectory::on(&database.url())
        .under_load()
        // Enough for every case but the endless loop, in every language, on a busy machine.
        .with_limit("execution.cpu_ms", 1_000)
        .keeping_logs();
    let host = directory.serve();
    let manifest = repository().join("tests/conformance/manifest.yaml");
    host.submit(&manifest, &component);

    let log = File::open(directory.log()).unwrap();
    let mut run = Run { language, host: &host, log, tokens: BTreeMap::new(), differences: Vec::new() };
    for (name, tenant) in TENANTS {
        let here = ["--workspace", tenant.workspace];
        host.admin(&tenant, &["plan", APPLET, here[0], here[1]]);
        host.admin(&tenant, &["approve", APPLET, here[0], here[1], "--deny", "read:chats"]);
        run.lifecycle(install, &tenant, &["install", APPLET]);
        run.new_lines();
        suite.calls.iter().for_each(|call| run.call(call, name, &tenant));
    }

    run.lifecycle(disable, &ALDER, &["disable", APPLET]);
    run.lifecycle(enable, &ALDER, &["enable", APPLET]);
    host.submit(&next_version(&directory, &manifest), &component);
    run.lifecycle(upgrade, &ALDER, &["upgrade", APPLET, "--keep-grants"]);
    run.lifecycle(uninstall, &ALDER, &["uninstall", APPLET, "--yes"]);
    // The other tenant does not notice.
    suite.calls.iter().take(1).for_each(|call| run.call(call, "birch", &BIRCH));

    let differences = std::mem::take(&mut run.differences);
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
    println!("{}: {} calls in each of two tenants, all as written", language.name(), suite.calls.len());
    host.stop();
}

#[tokio::test]
async fn f16_rust_passes_the_suite() {
    run(Language::Rust).await;
}

#[tokio::test]
async fn f16_typescript_passes_the_suite() {
    run(Language::TypeScript).await;
}

#[tokio::test]
async fn f16_python_passes_the_suite() {
    run(Language::Python).await;
}

#[tokio::test]
async fn f16_c_passes_the_suite() {
    run(Language::C).await;
}

#[tokio::test]
async fn f16_go_passes_the_suite() {
    run(Language::Go).await;
}
