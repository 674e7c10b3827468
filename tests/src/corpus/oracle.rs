//! Whether an answer is the one that a case asks for.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::database::{Change, Copy, Outcome};
use super::literal::inlined;
use super::program::{Answer, Program};
use super::{Case, Expect, Layer, MARKERS};

/// A statement that shows whether the tenant, the role and the session are still what they have to be.
const PROBE: &str =
    "SELECT count(*), min(tenant_id::text), max(tenant_id::text) FROM clients WHERE id < 1000";

/// Runs a case that changes nothing, and judges it. The error says what is wrong.
pub async fn read(case: &Case, program: &mut Program, reference: &mut Copy) -> Result<(), String> {
    let started = std::time::Instant::now();
    let answer = program.ask(&case.sql, &case.params);
    let elapsed = started.elapsed();
    let verdict = match &case.expect {
        Expect::Rejected { .. } => rejected(case, &answer),
        Expect::Rows { of, params, ordered, capped } => {
            let of = match capped {
                // The reference is cut at the same number, but not at the same rows.
                Some(_) if !ordered => of.rsplit_once(" LIMIT ").map_or(of.as_str(), |(before, _)| before),
                Some(_) | None => of,
            };
            let sql = inlined(of, params.as_ref().unwrap_or(&case.params));
            succeeded(case, &answer, async {
                let expected =
                    reference.rows(&sql, answer.columns.len()).await.map_err(|error| error.to_string())?;
                same_rows(&answer.rows, &expected, *ordered, *capped)
            })
            .await
        }
        Expect::Bounded { rows, ms, may_fail, exact_rows } => match &answer {
            answer if !answer.ok && *may_fail => Ok(()),
            answer if !answer.ok => Err(refusal(answer)),
            answer if answer.rows.len() > *rows => Err(format!("{} rows", answer.rows.len())),
            answer if exact_rows.is_some_and(|exact| exact != answer.rows.len()) => {
                Err(format!("{} rows", answer.rows.len()))
            }
            _ if elapsed.as_millis() > u128::from(*ms) => Err(format!("took {elapsed:?}")),
            _ => Ok(()),
        },
        Expect::NoForeignRows | Expect::ForeignRowsUnchanged | Expect::Effect { .. } => {
            succeeded(case, &answer, async { Ok(()) }).await
        }
    };
    verdict.and_then(|()| no_leak(case, &answer))?;
    not_poisoned(program)
}

/// Runs a case that writes, on a copy that is as the fixture, and judges it. The copy is restored.
pub async fn write(
    case: &Case,
    program: &mut Program,
    copy: &mut Copy,
    reference: &mut Copy,
) -> Result<(), String> {
    let answer = program.ask(&case.sql, &case.params);
    let changes = copy.changes().await;
    let verdict = judge_write(case, &answer, &changes, reference).await;
    if !changes.is_empty() {
        copy.restore().await;
    }
    verdict.and_then(|()| no_leak(case, &answer))?;
    not_poisoned(program)
}

async fn judge_write(
    case: &Case,
    answer: &Answer,
    changes: &[Change],
    reference: &mut Copy,
) -> Result<(), String> {
    if let Some(foreign) = changes.iter().find(|change| change.is_foreign()) {
        return Err(format!("changes what is not tenant A's: {foreign:?}"));
    }
    match &case.expect {
        Expect::Effect { of, params } => {
            let sql = inlined(of, params.as_ref().unwrap_or(&case.params));
            succeeded(case, answer, async {
                let expected = reference.effect(&sql, answer.columns.len()).await;
                let (outcome, expected) = expected.map_err(|error| error.to_string())?;
                match outcome {
                    Outcome::Rows(rows) => same_rows(&answer.rows, &rows, false, None)?,
                    Outcome::Count(count) if count == answer.row_count => {}
                    Outcome::Count(count) => {
                        return Err(format!("{} rows instead of {count}", answer.row_count));
                    }
                }
                same_changes(changes, &expected)
            })
            .await
        }
        Expect::Bounded { rows, may_fail, .. } => match answer {
            answer if answer.ok && answer.rows.len() > *rows => Err(format!("{} rows", answer.rows.len())),
            answer if !answer.ok && !changes.is_empty() => Err("failed, and changed something".to_owned()),
            answer if !answer.ok && !may_fail => Err(refusal(answer)),
            _ => Ok(()),
        },
        Expect::ForeignRowsUnchanged | Expect::NoForeignRows => {
            succeeded(case, answer, async { Ok(()) }).await
        }
        Expect::Rejected { .. } | Expect::Rows { .. } => Err("not a case that writes".to_owned()),
    }
}

async fn succeeded(
    case: &Case,
    answer: &Answer,
    then: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    if answer.ok {
        then.await
    } else if case.rejection_is_fine && !answer.message.is_empty() {
        Ok(())
    } else {
        Err(refusal(answer))
    }
}

fn refusal(answer: &Answer) -> String {
    let code = answer.code.map_or("no code", applet_types::ErrorCode::as_str);
    format!("refused: {code}: {}", answer.message)
}

fn rejected(case: &Case, answer: &Answer) -> Result<(), String> {
    let Expect::Rejected { by, code, hides } = &case.expect else { return Ok(()) };
    if answer.ok {
        let scoped = case.running_is_fine;
        return if scoped { Ok(()) } else { Err(format!("was run: {} rows", answer.row_count)) };
    }
    if *by == Layer::Gate && !answer.by_gate() {
        return Err(format!("reached the database: {}", refusal(answer)));
    }
    if code.is_some() && *code != answer.code {
        return Err(format!("another code: {}", refusal(answer)));
    }
    if answer.code == Some(applet_types::ErrorCode::Internal) {
        return Err(refusal(answer));
    }
    let hidden = hides.as_deref().unwrap_or_default().iter().find(|text| answer.message.contains(*text));
    hidden.map_or(Ok(()), |text| Err(format!("the message says {text}: {}", answer.message)))
}

/// No text of another tenant, and no span outside the statement.
fn no_leak(case: &Case, answer: &Answer) -> Result<(), String> {
    let shown = format!("{}{}", Value::from_iter(answer.rows.clone()), answer.message);
    let said = format!("{}{}", case.sql, Value::from_iter(case.params.clone()));
    if let Some(marker) = MARKERS.into_iter().find(|marker| shown.contains(marker) && !said.contains(marker))
    {
        return Err(format!("shows {marker}"));
    }
    match answer.span {
        Some((start, end)) if case.sql.get(start..end).is_none() => Err(format!("span {start}..{end}")),
        Some(_) | None => Ok(()),
    }
}

fn not_poisoned(program: &mut Program) -> Result<(), String> {
    let answer = program.ask(PROBE, &[]);
    let tenant = Value::from(super::TENANT_A);
    match answer.rows.as_slice() {
        [row]
            if row.first() == Some(&Value::from(12)) && row.iter().skip(1).all(|value| *value == tenant) =>
        {
            Ok(())
        }
        _ => Err(format!("the next statement went wrong: {answer:?}")),
    }
}

fn same_rows(
    found: &[Vec<Value>],
    expected: &[Vec<Value>],
    ordered: bool,
    capped: Option<usize>,
) -> Result<(), String> {
    let mut found: Vec<_> = found.iter().map(|row| canonical_row(row)).collect();
    let mut expected: Vec<_> = expected.iter().map(|row| canonical_row(row)).collect();
    if let Some(cap) = capped {
        if found.len() != cap {
            return Err(format!("{} rows instead of {cap}", found.len()));
        }
        expected.truncate(if ordered { cap } else { expected.len() });
    }
    if !ordered {
        found.sort();
        expected.sort();
    }
    let same = match capped {
        Some(_) if !ordered => found.iter().all(|row| expected.binary_search(row).is_ok()),
        Some(_) | None => found == expected,
    };
    if same { Ok(()) } else { Err(difference(&found, &expected)) }
}

/// Whether two answers to the same statement are the same: rows as a bag, the number of rows, or the code.
pub fn same_answer(one: &Answer, other: &Answer) -> Result<(), String> {
    if one.ok != other.ok || one.code != other.code || one.row_count != other.row_count {
        let told =
            |answer: &Answer| if answer.ok { format!("{} rows", answer.row_count) } else { refusal(answer) };
        return Err(format!("{} and {}", told(one), told(other)));
    }
    // Which rows are within the cap is open, as long as nothing orders them.
    if one.rows == other.rows || (one.truncated && other.truncated) {
        return Ok(());
    }
    same_rows(&one.rows, &other.rows, false, None)
}

/// Whether two statements changed the same.
pub fn same_changes(found: &[Change], expected: &[Change]) -> Result<(), String> {
    let mut found: Vec<_> = found.iter().map(canonical_change).collect();
    let mut expected: Vec<_> = expected.iter().map(canonical_change).collect();
    found.sort();
    expected.sort();
    if found == expected { Ok(()) } else { Err(difference(&found, &expected)) }
}

fn difference(found: &[String], expected: &[String]) -> String {
    let only = |one: &[String], other: &[String]| one.iter().find(|row| !other.contains(row)).cloned();
    format!(
        "{} rows instead of {}; first surplus {:?}, first missing {:?}",
        found.len(),
        expected.len(),
        only(found, expected),
        only(expected, found)
    )
}

fn canonical_row(row: &[Value]) -> String {
    row.iter().map(canonical).collect::<Vec<_>>().join(" | ")
}

/// A new row's id and the moment it was made differ between two runs.
fn canonical_change(change: &Change) -> String {
    let columns = change.row.as_object().expect("a row");
    let columns = columns.iter().filter(|(name, _)| *name != "created_at").map(|(name, value)| match value {
        Value::Number(number) if name == "id" && number.as_u64().is_some_and(|id| id > 100_000) => {
            format!("{name}: new")
        }
        value => format!("{name}: {}", canonical(value)),
    });
    format!("{} {} {}", change.table, change.added, columns.collect::<Vec<_>>().join(", "))
}

/// One spelling for equal values: a number may come as a number or as text (when it would lose digits), a
/// time in any zone; times of about now are equal.
fn canonical(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), canonical_number),
        Value::String(text) => canonical_text(text),
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name}: {}", canonical(value))).collect();
            fields.sort();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

fn canonical_number(number: f64) -> String {
    format!("{number:.9e}")
}

fn canonical_text(text: &str) -> String {
    let trimmed = text.trim_end();
    if let Ok(number) = trimmed.parse::<f64>() {
        return canonical_number(number);
    }
    match DateTime::parse_from_rfc3339(trimmed) {
        Ok(time) if (time.to_utc() - Utc::now()).abs() < TimeDelta::minutes(30) => "about now".to_owned(),
        Ok(time) => time.to_utc().to_rfc3339(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_in_other_spellings_are_equal() {
        let found = [vec![json!("100.50"), json!("2026-01-01T00:00:00Z"), json!([1, null])]];
        let expected = [vec![json!(100.5), json!("2026-01-01T01:00:00+01:00"), json!([1, null])]];
        assert_eq!(same_rows(&found, &expected, true, None), Ok(()));
    }

    #[test]
    fn a_surplus_row_is_seen() {
        let found = [vec![json!(1)], vec![json!(2)]];
        assert!(same_rows(&found, &found[..1], false, None).is_err());
        assert!(same_rows(&found[..1], &found, false, None).is_err());
        assert!(same_rows(&found, &found, false, Some(1)).is_err());
    }

    #[test]
    fn order_counts_only_when_asked_for() {
        let found = [vec![json!(1)], vec![json!(2)]];
        let expected = [vec![json!(2)], vec![json!(1)]];
        assert_eq!(same_rows(&found, &expected, false, None), Ok(()));
        assert!(same_rows(&found, &expected, true, None).is_err());
    }
}
