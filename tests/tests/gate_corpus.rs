//! The gate alone over every SQL case: no database, so it says within a second what a change breaks.

use applet_gate::{ScopeContext, Wall, scope};
use applet_tests::corpus::{Case, Expect, Layer, Manifest, cases, fixture};
use applet_types::{ErrorCode, StatementLimits};

/// Spec: S4.1-3, S4.9, S4.52-54, S4.58-59
#[test]
fn s4_55_gate_accepts_and_refuses_what_the_cases_say() {
    let catalog = fixture::catalog();
    let limits = StatementLimits::default();
    let grants = Manifest::ALL.map(|manifest| (manifest, fixture::grants(manifest)));
    let mut failures = Vec::new();
    let cases = cases();
    for case in &cases {
        let granted = &grants.iter().find(|(manifest, _)| *manifest == case.manifest).unwrap().1;
        let context = ScopeContext {
            grants: granted,
            catalog: &catalog,
            limits: &limits,
            wall: Wall::Both,
            allow_global_keys: true,
        };
        let result = scope(&case.sql, &context);
        if let Err(problem) = judge(case, result.as_ref().err().map(|failure| failure.code)) {
            let told = result.err().map_or_else(String::new, |failure| failure.to_string());
            failures.push(format!("{} ({}): {problem} {told}\n    {}", case.id, case.why, head(&case.sql)));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn judge(case: &Case, code: Option<ErrorCode>) -> Result<(), &'static str> {
    match (&case.expect, code) {
        (Expect::Rejected { by: Layer::Gate, .. }, None) if case.running_is_fine => Ok(()),
        (Expect::Rejected { by: Layer::Gate, code: Some(ErrorCode::BadParameter), .. }, None) => Ok(()),
        (Expect::Rejected { by: Layer::Gate, .. }, None) => Err("is accepted"),
        (Expect::Rejected { code: Some(expected), .. }, Some(code)) if *expected != code => {
            Err("has another code:")
        }
        (Expect::Rejected { .. }, Some(_)) => Ok(()),
        // Left to PostgreSQL, which the program's own test asks.
        (Expect::Rejected { by: Layer::Any, .. }, None) => Ok(()),
        (_, None) => Ok(()),
        (Expect::Bounded { may_fail: true, .. }, Some(_)) => Ok(()),
        (_, Some(_)) if case.rejection_is_fine => Ok(()),
        (_, Some(_)) => Err("is refused:"),
    }
}

fn head(sql: &str) -> String {
    sql.chars().take(300).collect()
}
