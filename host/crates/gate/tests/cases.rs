//! The gate, case by case: a statement, and what is printed or which rejection comes back.
//!
//! `tests/cases/*.yaml` hold the cases; `UPDATE_GOLDEN=1` writes the printed texts anew, to be read in the
//! difference before they are kept.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail the test"
)]

mod fixture;

use std::path::PathBuf;

use applet_gate::{ScopeContext, ScopedStatement, Wall, scope};
use applet_types::{Failure, StatementLimits};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "crm", skip_serializing_if = "is_crm")]
    grants: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    database_only: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    no_global_keys: bool,
    sql: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ok: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uses: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    err: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    span: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

fn crm() -> String {
    "crm".to_owned()
}

fn is_crm(grants: &str) -> bool {
    grants == "crm"
}

fn plain(sql: &str) -> Case {
    Case {
        name: String::new(),
        grants: crm(),
        database_only: false,
        no_global_keys: false,
        sql: sql.to_owned(),
        ok: None,
        uses: None,
        err: None,
        rule: None,
        span: None,
        hint: None,
    }
}

fn run(case: &Case) -> Result<ScopedStatement, Failure> {
    let (grants, catalog) = (fixture::grants(&case.grants), fixture::catalog());
    let limits = StatementLimits::default();
    let wall = if case.database_only { Wall::DatabaseOnly } else { Wall::Both };
    let allow_global_keys = !case.no_global_keys;
    scope(
        &case.sql,
        &ScopeContext { grants: &grants, catalog: &catalog, limits: &limits, wall, allow_global_keys },
    )
}

fn uses(statement: &ScopedStatement) -> String {
    let uses = statement.tables().iter().map(|used| format!("{}:{}", used.table, used.operation));
    uses.collect::<Vec<_>>().join(" ")
}

fn check(file: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut cases: Vec<Case> = serde_yaml::from_str(&text).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for case in cases.iter_mut().filter(|case| case.ok.is_some()) {
            case.ok = run(case).ok().map(|statement| statement.text().to_owned());
        }
        std::fs::write(&path, serde_yaml::to_string(&cases).unwrap()).unwrap();
    }
    assert!(!cases.is_empty());
    for case in &cases {
        match (run(case), &case.ok, &case.err) {
            (Ok(statement), Some(ok), None) => {
                assert_eq!(statement.text(), ok.trim_end(), "{}", case.name);
                if let Some(expected) = &case.uses {
                    assert_eq!(uses(&statement), *expected, "{}", case.name);
                }
            }
            (Err(failure), None, Some(code)) => rejected(case, &failure, code),
            (Ok(statement), _, _) => panic!("{}: accepted as {}", case.name, statement.text()),
            (Err(failure), _, _) => panic!("{}: {failure:?}", case.name),
        }
    }
}

fn rejected(case: &Case, failure: &Failure, code: &str) {
    assert_eq!(failure.code.as_str(), code, "{}: {failure}", case.name);
    assert!(failure.span.is_some() && failure.rule.is_some(), "{}: {failure:?}", case.name);
    let under = failure.span.map(|span| case.sql[span.start..span.end].to_owned());
    if case.span.is_some() {
        assert_eq!(under, case.span, "{}", case.name);
    }
    if case.rule.is_some() {
        assert_eq!(failure.rule, case.rule, "{}", case.name);
    }
    if case.hint.is_some() {
        assert_eq!(failure.hint, case.hint, "{}", case.name);
        let grantable = case.hint.as_deref().is_some_and(|hint| hint.starts_with("permissions."));
        assert_eq!(failure.grantable, grantable, "{}", case.name);
    }
}

/// S4.4, S4.5, S4.10, S4.49, S4.50: reads are scoped, capped and show what is granted.
#[test]
fn s4_4_reads_are_scoped_at_every_relation() {
    check("select.yaml");
}

/// S4.4, S4.53, S4.55: the predicate stands where it filters the relation and nothing else.
#[test]
fn s4_49_predicates_stand_where_the_join_needs_them() {
    check("joins.yaml");
}

/// S4.11 to S4.17, S4.22, S4.54: writes touch the tenant's rows and never the system's columns.
#[test]
fn s4_12_writes_touch_own_rows_only() {
    check("writes.yaml");
}

/// S4.3, S4.8, S4.10, S4.16: nothing that is not granted, and the manifest line that would grant it.
#[test]
fn s4_3_grants_decide_table_by_table_and_column_by_column() {
    check("grants.yaml");
}

/// S4.52, S4.53, S4.9, F3: what is refused whatever is granted, with the place in the text.
#[test]
fn s4_52_refused_constructs_are_named_with_code_and_place() {
    check("rejections.yaml");
}

/// S4.69: no literal of the statement is in what is logged.
#[test]
fn s4_69_sanitised_text_holds_no_literal_and_stays_short() {
    let sql = format!(
        "SELECT id FROM clients WHERE email = 'anna@example.com' AND id IN ({}7) LIMIT 5",
        "42, ".repeat(900)
    );
    let statement = run(&plain(&sql)).unwrap();
    assert!(!statement.sanitised().contains("anna") && !statement.sanitised().contains("42"));
    assert!(statement.sanitised().starts_with(r#"SELECT "id" FROM "public"."clients""#));
    assert!(statement.sanitised().len() <= 2048);
}

/// S4.65: a result that may change between two calls is marked.
#[test]
fn s4_65_volatile_statements_are_marked() {
    for (sql, volatile) in [
        ("SELECT id FROM clients WHERE created_at < now()", true),
        ("SELECT id FROM clients WHERE created_at < CURRENT_DATE", true),
        ("SELECT id FROM clients WHERE created_at < 'today'", true),
        ("SELECT id FROM clients WHERE first_name = lower('X')", false),
    ] {
        assert_eq!(run(&plain(sql)).unwrap().volatile(), volatile, "{sql}");
    }
}

/// What `host/docs/limits.md` promises of nested operators, in the deepest place that a statement has, and
/// what is said beyond.
#[test]
fn s4_59_thirty_eight_nested_operators_always_fit_and_more_are_told_the_number() {
    let places = [
        "SELECT id{} FROM clients",
        "SELECT id FROM clients WHERE id{} > 4",
        "SELECT id FROM clients WHERE id IN (SELECT client_id FROM chats WHERE id{} > 4)",
        "SELECT id FROM clients WHERE id IN (SELECT client_id FROM chats WHERE id IN \
         (SELECT id FROM chats WHERE id{} > 4))",
        "SELECT a.id FROM clients a JOIN clients b ON a.id = b.id{} JOIN clients c ON c.id = a.id \
         JOIN clients d ON d.id = a.id",
        "WITH x AS (SELECT id{} AS y FROM clients) SELECT y FROM x",
        "SELECT CASE WHEN id{} > 4 THEN 1 END FROM clients",
    ];
    for place in places {
        for link in [" + 1", "::bigint"] {
            let of = |count: usize| plain(&place.replace("{}", &link.repeat(count)));
            assert!(run(&of(38)).is_ok(), "{place} {link}: {:?}", run(&of(38)));
            let failure = run(&of(60)).unwrap_err();
            assert_eq!(
                (failure.code.as_str(), failure.rule.as_deref()),
                ("statement-too-large", Some("nesting"))
            );
            assert!(failure.message.contains("more than 38 operators") && failure.hint.is_some());
        }
    }
    let conditions = format!("SELECT id FROM clients WHERE true{}", " AND id > 4".repeat(128));
    assert!(run(&plain(&conditions)).is_ok(), "AND and OR do not nest");
}

/// Hostile texts on the stack of a worker thread: each ends in an answer, none in the end of the process.
#[test]
fn s4_9_hostile_texts_do_not_overflow_a_workers_stack() {
    let texts = [
        format!("SELECT 1{}", "+1".repeat(20_000)),
        format!("SELECT 1{}", "+1".repeat(255)),
        format!("SELECT 1{}", "+1".repeat(40)),
        format!("SELECT {}1{}", "(".repeat(3_000), ")".repeat(3_000)),
        format!("SELECT {}1{}", "(".repeat(25), ")".repeat(25)),
        format!("SELECT 1{}", "::text".repeat(3_000)),
        format!("SELECT 1{}", "::text".repeat(200)),
        format!("SELECT 1{}", "::text".repeat(40)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(2_000)),
        format!("SELECT {}1", "NOT ".repeat(4_000)),
        format!("SELECT {}1", "- ".repeat(4_000)),
        format!("SELECT 1 IS NULL{}", " IS NULL".repeat(2_000)),
        format!("SELECT {}1{}", "abs(".repeat(1_500), ")".repeat(1_500)),
        format!("SELECT {}1{}", "(SELECT ".repeat(1_500), ")".repeat(1_500)),
        format!("SELECT * FROM {}clients{}", "(".repeat(2_000), ")".repeat(2_000)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(1_000), " END".repeat(1_000)),
        format!("SELECT {}1{}", "ARRAY[".repeat(2_000), "]".repeat(2_000)),
        format!("SELECT ({}", "1+(".repeat(2_000)),
        format!("SELECT id FROM clients WHERE {}", vec!["id = 1"; 120].join(" OR ")),
        "(".repeat(60_000),
        "'".repeat(60_001),
    ];
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let limits = StatementLimits::default();
        let (grants, catalog) = (fixture::grants("crm"), fixture::catalog());
        let context = ScopeContext {
            grants: &grants,
            catalog: &catalog,
            limits: &limits,
            wall: Wall::Both,
            allow_global_keys: true,
        };
        texts.iter().filter(|text| scope(text, &context).is_ok()).count()
    });
    // 40 operators, 25 parentheses, 40 casts and 120 conditions are ordinary.
    assert_eq!(worker.unwrap().join().unwrap(), 4);
}
