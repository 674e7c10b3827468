//! The gate over a hundred thousand generated statements (SPEC F2, property a): each is refused with a
//! known code or scoped, never both parsers disagreeing, never a relation without its predicate.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]

use std::collections::BTreeMap;

use applet_catalog::Catalog;
use applet_gate::{ScopeContext, ScopedStatement, Wall, scope};
use applet_tests::corpus::{Manifest, fixture};
use applet_tests::sqlgen::{Generator, USER_COLUMNS};
use applet_types::{Columns, ErrorCode, Grants, SqlName, StatementLimits};

/// Every code that the gate has; one that no statement gets is a dead rule or a blind generator.
const CODES: &[ErrorCode] = &[
    ErrorCode::TableNotAllowed,
    ErrorCode::ColumnNotAllowed,
    ErrorCode::Syntax,
    ErrorCode::MultiStatement,
    ErrorCode::UnsupportedStatement,
    ErrorCode::UnionNotAllowed,
    ErrorCode::SubqueryMustBeFiltered,
    ErrorCode::TenantIdNotAllowed,
    ErrorCode::SystemColumnWrite,
    ErrorCode::UnknownTable,
    ErrorCode::UnknownColumn,
    ErrorCode::FunctionNotAllowed,
    ErrorCode::TypeNotAllowed,
    ErrorCode::OperatorNotAllowed,
    ErrorCode::RecursiveCte,
    ErrorCode::SystemCatalog,
    ErrorCode::StatementTooLarge,
    ErrorCode::BadParameter,
    ErrorCode::TooManyJoins,
    ErrorCode::TooManySubqueries,
];

/// `GATE_SEED` and `GATE_STATEMENTS` choose another or a longer run.
///
/// Spec: S4.2, S4.4, S4.50, S4.53, S4.55, F2
#[test]
fn s4_49_no_generated_statement_gets_past_the_gate_unscoped() {
    let seed = number("GATE_SEED", 20_261_121);
    let count = number("GATE_STATEMENTS", 100_000);
    println!("seed {seed}, {count} statements");
    let lanes: Vec<_> = std::thread::scope(|threads| {
        let lanes: Vec<_> =
            (0..LANES).map(|lane| threads.spawn(move || run(seed ^ (lane << 32), count / LANES))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    let tally = lanes.into_iter().fold(Tally::default(), Tally::with);
    tally.print();
    let share = tally.accepted * 100 / count;
    println!("{share} % accepted");
    assert!((30..=70).contains(&share), "{share} % accepted");
    let missed: Vec<_> = CODES.iter().filter(|code| !tally.refused.contains_key(code)).collect();
    assert!(missed.is_empty(), "no statement was refused with {missed:?}");
    let unknown: Vec<_> = tally.refused.keys().filter(|code| !CODES.contains(code)).collect();
    assert!(unknown.is_empty(), "codes that are not the gate's: {unknown:?}");
}

/// Threads that share the work, each with statements of its own.
const LANES: u64 = 4;

/// What became of the statements.
#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    /// How often each code was given, and to what first.
    refused: BTreeMap<ErrorCode, (usize, String)>,
    /// Refusals of statements that were not meant to be refused.
    ordinary: BTreeMap<String, usize>,
}

impl Tally {
    fn with(mut self, other: Self) -> Self {
        self.accepted += other.accepted;
        for (code, (times, example)) in other.refused {
            self.refused.entry(code).or_insert((0, example)).0 += times;
        }
        for (why, times) in other.ordinary {
            *self.ordinary.entry(why).or_default() += times;
        }
        self
    }

    fn print(&self) {
        for (code, (times, example)) in &self.refused {
            println!("{times:>7} {code}: {}", example.chars().take(120).collect::<String>());
        }
        let mut ordinary: Vec<_> = self.ordinary.iter().collect();
        ordinary.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        for (why, times) in ordinary.iter().take(12) {
            println!("{times:>7} ordinary: {why}");
        }
    }
}

fn run(seed: u64, count: u64) -> Tally {
    let catalog = fixture::catalog();
    let grants = grants();
    let limits = StatementLimits::default();
    let context = |wall| ScopeContext {
        grants: &grants,
        catalog: &catalog,
        limits: &limits,
        wall,
        allow_global_keys: true,
    };
    let mut generator = Generator::new(seed);
    let mut tally = Tally::default();
    for number in 0..count {
        let generated = generator.statement();
        let sql = &generated.sql;
        match scope(sql, &context(Wall::Both)) {
            Ok(scoped) => {
                tally.accepted += 1;
                assert_scoped(&scoped, &catalog, sql);
                if number % 8 == 0 {
                    assert_eq!(
                        scope(sql, &context(Wall::Both)).as_ref(),
                        Ok(&scoped),
                        "scoped differently: {sql}"
                    );
                    let alone = scope(sql, &context(Wall::DatabaseOnly)).err();
                    assert_eq!(alone, None, "only with both walls: {sql}");
                }
            }
            Err(failure) => {
                let rule = failure.rule.as_deref();
                assert_ne!(rule, Some("two-parsers"), "statement {number} of seed {seed}: {sql}");
                if let Some(span) = failure.span {
                    assert!(sql.get(span.start..span.end).is_some(), "span in {sql}");
                }
                if !generated.hostile {
                    *tally.ordinary.entry(failure.to_string()).or_default() += 1;
                }
                tally.refused.entry(failure.code).or_insert_with(|| (0, sql.clone())).0 += 1;
            }
        }
    }
    tally
}

/// A second look that shares nothing with the gate: every tenant's table in the text is followed by an
/// alias, and there are as many predicates or new tenant columns as there are such tables.
fn assert_scoped(scoped: &ScopedStatement, catalog: &Catalog, sql: &str) {
    let text = scoped.text();
    let mut relations = 0;
    for table in catalog.tables() {
        let named = format!("\"public\".\"{}\"", table.name);
        let found = text.matches(&named).count();
        assert_eq!(
            found,
            text.matches(&format!("{named} AS \"")).count(),
            "an alias is missing: {sql}\n{text}"
        );
        if table.tenant_column().is_some() {
            relations += found;
        }
    }
    let Some(tenant) = scoped.tenant_parameter() else {
        assert_eq!(relations, 0, "no tenant in {sql}\n{text}");
        return;
    };
    let bound = text.matches(&format!("${tenant}::pg_catalog.uuid")).count();
    assert!(bound >= relations, "{relations} relations, {bound} times the tenant: {sql}\n{text}");
    assert_eq!(tenant, scoped.parameters() + 1, "{sql}");
}

/// The grants of the corpus, with a table of limited columns and one that no longer exists.
fn grants() -> Grants {
    let name = |text: &str| SqlName::exact(text).unwrap();
    let full = fixture::grants(Manifest::WithDelete);
    let mut builder = Grants::builder();
    for (declared, physical) in full.own_tables() {
        *builder.own_table(declared.clone(), physical.clone()) = full.table(physical.name()).unwrap().clone();
    }
    for (table, grant) in full.tables() {
        *builder.table(table.clone()) = grant.clone();
    }
    builder.table(name("users")).read = Some(Columns::Only(USER_COLUMNS.into_iter().map(name).collect()));
    builder.table(name("ghosts")).read = Some(Columns::All);
    builder.build()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}
