//! `host/docs/limits.md`: every limit with the default and the maximum that the program ships.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fmt::Write;
use std::path::Path;

use applet_types::{
    BreakerLimits, ComponentLimits, ExecutionLimits, HostLimits, ManifestLimits, RateLimits, StatementLimits,
    TenantLimits,
};
use serde::Serialize;
use serde_json::Value;

fn table(
    text: &mut String,
    section: &str,
    title: &str,
    meanings: &[(&str, &str)],
    [default, maximum]: [&impl Serialize; 2],
) {
    let [default, maximum] = [default, maximum].map(|limits| serde_json::to_value(limits).unwrap());
    write!(
        text,
        "\n## {title}: `limits.{section}`\n\n| limit | default | maximum | what |\n|---|---|---|---|\n"
    )
    .unwrap();
    assert_eq!(default.as_object().unwrap().len(), meanings.len());
    for (name, meaning) in meanings {
        let value = |limits: &Value| limits.get(name).unwrap().as_u64().unwrap();
        assert!(value(&default) <= value(&maximum), "{name}");
        let most =
            if default.get(name) == maximum.get(name) { "same".into() } else { value(&maximum).to_string() };
        // Where the specification says so is for those who change the code.
        let (plain, rest) = meaning.split_once(" (S").unwrap_or((meaning, ""));
        let rest = rest.split_once(')').map_or("", |(_, rest)| rest);
        writeln!(text, "| `{name}` | {} | {most} |{plain}{rest} |", value(&default)).unwrap();
    }
}

/// Spec: S4.5-6, S4.56-61, S4x.5, S4x.6, F4
#[test]
fn documented_limits_are_those_that_ship() {
    let mut text = String::from(
        "# Limits\n\nThe operator may raise a limit up to its maximum, in the configuration file or by an \
         environment variable (`applet help config`);\na manifest and an admin only lower it. Made by `make regen`.\n\n\
         An installation is held to what was approved: raising a limit reaches it with its next approval, \
         lowering one at once.\n",
    );
    table(
        &mut text,
        "statement",
        "One statement, before the database",
        StatementLimits::MEANINGS,
        [&StatementLimits::default(), &StatementLimits::MAXIMUM],
    );
    text.push_str(
        "\nOne more bound cannot be changed: an expression may nest 38 operators, casts, functions or CASEs, \
         wherever in the statement it\nstands; in shallow places a few more pass, with more subqueries than the default fewer. A chain of operators nests \
         (`a + b + c`, `a || b || c`, `a::text::text`), AND, OR and lists do not.\nThe second parser's decoder \
         reads no deeper (`statement-too-large`, rule `nesting`).\n",
    );
    table(
        &mut text,
        "execution",
        "One statement and one invocation, at run time",
        ExecutionLimits::MEANINGS,
        [&ExecutionLimits::default(), &ExecutionLimits::MAXIMUM],
    );
    table(
        &mut text,
        "rate",
        "One installation, from invocation to invocation, on one host",
        RateLimits::MEANINGS,
        [&RateLimits::default(), &RateLimits::MAXIMUM],
    );
    table(
        &mut text,
        "tenant",
        "All applets of a tenant together, on one host",
        TenantLimits::MEANINGS,
        [&TenantLimits::default(), &TenantLimits::MAXIMUM],
    );
    table(
        &mut text,
        "breaker",
        "An installation that keeps failing",
        BreakerLimits::MEANINGS,
        [&BreakerLimits::default(), &BreakerLimits::MAXIMUM],
    );
    table(
        &mut text,
        "host",
        "The host as a whole",
        HostLimits::MEANINGS,
        [&HostLimits::default(), &HostLimits::MAXIMUM],
    );
    table(
        &mut text,
        "component",
        "A component and its package",
        ComponentLimits::MEANINGS,
        [&ComponentLimits::default(), &ComponentLimits::MAXIMUM],
    );
    table(
        &mut text,
        "manifest",
        "A manifest and what it declares",
        ManifestLimits::MEANINGS,
        [&ManifestLimits::default(), &ManifestLimits::MAXIMUM],
    );

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("host/docs/limits.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == text, "out of date: run `make regen`");

    let statement = StatementLimits::default();
    let execution = ExecutionLimits::default();
    assert_eq!((statement.rows, statement.joins, statement.subqueries), (1_000, 3, 2));
    let rate = RateLimits::default();
    assert_eq!((rate.invocations_per_second, rate.writes_per_second), (50, 100));
    assert_eq!((execution.statement_timeout_ms, HostLimits::default().sessions_per_applet), (5_000, 5));
}
