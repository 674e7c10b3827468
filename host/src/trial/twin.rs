//! The other tenant (F13): whatever a test calls is called for the tenant whom it is not about, with the first
//! one's rows as they are and with all of them changed. What the other is answered, and what its statements
//! return, must be the same.
//!
//! What differs between two runs that nothing happened between (clocks, random ids) is no leak.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::Called;
use super::suite::Case;
use crate::demo_data::DemoTenant;

/// Something that one tenant could see of another's rows, or that could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Leak {
    /// Whether it was seen. Otherwise a call gave nothing to compare, and nothing is proven.
    pub(crate) seen: bool,
    pub(crate) file: String,
    pub(crate) name: String,
    /// Whose rows changed.
    pub(crate) changed: &'static str,
    /// Who could see it.
    pub(crate) seen_by: &'static str,
    /// Where.
    pub(crate) what: String,
}

/// What moved when the first tenant's rows did, and does not move by itself.
pub(super) fn leaks(
    case: &Case,
    other: &DemoTenant,
    before: &[Called],
    again: &[Called],
    after: &[Called],
) -> Vec<Leak> {
    let leak = |seen: bool, what: &str| Leak {
        seen,
        file: case.file.clone(),
        name: case.name.clone(),
        changed: case.tenant.short,
        seen_by: other.short,
        what: what.to_owned(),
    };
    if let Some(lost) = [before, again, after].into_iter().flatten().find_map(lost) {
        return vec![leak(false, &lost)];
    }
    let noise = differences(before, again);
    let moved = differences(before, after);
    moved.iter().filter(|what| !noise.contains(*what)).map(|what| leak(true, what)).collect()
}

/// A call that the host ended, or that crashed: what it would have answered, nobody knows.
fn lost(call: &Called) -> Option<String> {
    let refusal = call.answer.as_ref().err().filter(|refusal| refusal.by_host)?;
    Some(format!("`{}` ended with `{}`: {}", call.hook, refusal.code, refusal.message))
}

fn differences(before: &[Called], after: &[Called]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (number, (one, two)) in before.iter().zip(after).enumerate() {
        let call = format!("call {} of `{}`", number + 1, one.hook);
        answers(&call, one, two, &mut found);
        if one.statements.len() != two.statements.len() {
            found.insert(format!("{call} sent other statements"));
        }
        for (index, (one, two)) in one.statements.iter().zip(&two.statements).enumerate() {
            let what = if one.sql != two.sql {
                "is another one"
            } else if one.result.is_ok() != two.result.is_ok() {
                "succeeded once and failed once"
            } else if matches!((&one.result, &two.result), (Ok(one), Ok(two)) if one != two) {
                "returned other rows"
            } else {
                continue;
            };
            found.insert(format!("{call}, statement {} {what}: {}", index + 1, one.sql.trim()));
        }
    }
    found
}

fn answers(call: &str, one: &Called, two: &Called, found: &mut BTreeSet<String>) {
    match (&one.answer, &two.answer) {
        (Ok(one), Ok(two)) => {
            let mut places = BTreeSet::new();
            moved(one, two, "", &mut places);
            found.extend(places.iter().map(|place| {
                if place.is_empty() {
                    format!("{call} answered differently")
                } else {
                    format!("{call} answered differently at `{place}`")
                }
            }));
        }
        (one, two) if one == two => {}
        _ => {
            found.insert(format!("{call} answered differently"));
        }
    }
}

/// The places at which two values differ, as deep as they can be told.
fn moved(one: &Value, two: &Value, place: &str, found: &mut BTreeSet<String>) {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => {
            for key in one.keys().chain(two.keys()) {
                let inside = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                let null = Value::Null;
                moved(one.get(key).unwrap_or(&null), two.get(key).unwrap_or(&null), &inside, found);
            }
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            for (index, (one, two)) in one.iter().zip(two).enumerate() {
                moved(one, two, &format!("{place}[{index}]"), found);
            }
        }
        (one, two) if one == two => {}
        _ => {
            found.insert(place.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::Refusal;
    use super::*;
    use crate::demo_data::TENANTS;
    use crate::seen::{SeenStatement, Shown};

    fn call(answer: Value, content: u64) -> Vec<Called> {
        let statement = SeenStatement {
            sql: "SELECT 1".to_owned(),
            parameters: Vec::new(),
            rewritten: None,
            tables: Vec::new(),
            columns: Vec::new(),
            took: Duration::ZERO,
            result: Ok(Shown { rows: 1, content }),
        };
        vec![Called {
            hook: "list".to_owned(),
            answer: Ok(answer),
            statements: vec![statement],
            log: Vec::new(),
        }]
    }

    fn found(before: &[Called], again: &[Called], after: &[Called]) -> Vec<String> {
        let case =
            Case { file: "a".to_owned(), name: "b".to_owned(), tenant: &TENANTS[0], steps: Vec::new() };
        leaks(&case, &TENANTS[1], before, again, after).into_iter().map(|leak| leak.what).collect()
    }

    #[test]
    fn f13_what_moves_with_anothers_rows_is_a_leak() {
        let before = call(json!({ "total": 2, "mine": [1] }), 7);
        assert!(found(&before, &before, &before).is_empty());
        let after = call(json!({ "total": 3, "mine": [1] }), 7);
        assert_eq!(found(&before, &before, &after), ["call 1 of `list` answered differently at `total`"]);
        let hidden = call(json!({ "total": 2, "mine": [1] }), 8);
        assert_eq!(
            found(&before, &before, &hidden),
            ["call 1 of `list`, statement 1 returned other rows: SELECT 1"],
            "an applet that does not answer with what it read has read it all the same"
        );
    }

    #[test]
    fn f13_a_call_that_was_cut_off_proves_nothing() {
        let before = call(json!(1), 1);
        let mut after = call(json!(1), 1);
        after[0].answer = Err(Refusal::of_host("deadline", "the invocation's time is over"));
        let case =
            Case { file: "a".to_owned(), name: "b".to_owned(), tenant: &TENANTS[0], steps: Vec::new() };
        let leaks = leaks(&case, &TENANTS[1], &before, &before, &after);
        assert_eq!(leaks.len(), 1);
        assert!(!leaks[0].seen && leaks[0].what.contains("`deadline`"), "{leaks:?}");
    }

    #[test]
    fn f13_what_moves_by_itself_is_none() {
        let at = |time: u64| call(json!({ "at": time, "total": 2 }), time);
        assert!(found(&at(1), &at(2), &at(3)).is_empty());
        let after = call(json!({ "at": 3, "total": 9 }), 3);
        assert_eq!(found(&at(1), &at(2), &after), ["call 1 of `list` answered differently at `total`"]);
    }
}
