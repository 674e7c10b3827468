//! `host/docs/limits.md`: every limit with the default that the program ships.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fmt::Write;
use std::path::Path;

use applet_types::{ExecutionLimits, HostLimits, StatementLimits};
use serde::Serialize;
use serde_json::Value;

/// The doc comments of a struct's fields, from the source itself: one place to keep them.
fn meanings(source: &str, name: &str) -> Vec<(String, String)> {
    let body = source.split(&format!("pub struct {name} {{")).nth(1).unwrap().split("\n}").next().unwrap();
    let mut meaning = String::new();
    let mut found = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            if !meaning.is_empty() {
                meaning.push(' ');
            }
            meaning.push_str(text);
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|line| line.split_once(':')) {
            found.push((field.to_owned(), std::mem::take(&mut meaning)));
        }
    }
    found
}

fn table(text: &mut String, source: &str, title: &str, name: &str, limits: &impl Serialize) {
    let Value::Object(values) = serde_json::to_value(limits).unwrap() else { unreachable!("a struct") };
    write!(text, "\n## {title}\n\n| limit | default | what |\n|---|---|---|\n").unwrap();
    for (field, meaning) in meanings(source, name) {
        writeln!(text, "| `{field}` | {} | {meaning} |", values.get(&field).unwrap()).unwrap();
    }
}

/// Spec: S4.5-6, S4.56-61
#[test]
fn documented_limits_are_those_that_ship() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let source = std::fs::read_to_string(root.join("host/crates/types/src/limits.rs")).unwrap();
    let mut text = String::from(
        "# Limits\n\nThe operator may raise a limit up to its maximum; a manifest and an admin only lower it. Made by `make regen`.\n",
    );
    table(
        &mut text,
        &source,
        "One statement, before the database",
        "StatementLimits",
        &StatementLimits::default(),
    );
    table(
        &mut text,
        &source,
        "One statement and one invocation, at run time",
        "ExecutionLimits",
        &ExecutionLimits::default(),
    );
    table(&mut text, &source, "The host as a whole", "HostLimits", &HostLimits::default());

    let path = root.join("host/docs/limits.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == text, "out of date: run `make regen`");

    let statement = StatementLimits::default();
    let execution = ExecutionLimits::default();
    assert_eq!((statement.rows, statement.joins, statement.subqueries), (1_000, 3, 2));
    assert_eq!((execution.statement_timeout_ms, HostLimits::default().sessions_per_applet), (5_000, 5));
}
