//! Compares answers.

use serde_json::{Number, Value};
use uuid::Uuid;

use crate::host::Tenant;

/// The longest value that a report shows.
const LONGEST: usize = 300;

/// Where, and how, an answer differs from what was expected. Numbers are the same when they mean the same,
/// however they are written.
pub fn difference(expected: &Value, answer: &Value, tenant: &Tenant) -> Option<String> {
    let differs = || Some(format!(": expected {}, got {}", shown(expected), shown(answer)));
    match (expected, answer) {
        (Value::String(text), Value::String(given)) => {
            let same = match text.as_str() {
                "<uuid>" => given.parse::<Uuid>().is_ok_and(|uuid| uuid.to_string() == *given),
                "<tenant>" => given == tenant.id,
                "<workspace>" => given == tenant.workspace,
                text => text == given,
            };
            if same { None } else { differs() }
        }
        (Value::Number(number), Value::Number(given)) => {
            if same_number(number, given) {
                None
            } else {
                differs()
            }
        }
        (Value::Array(items), Value::Array(given)) if items.len() == given.len() => {
            items.iter().zip(given).enumerate().find_map(|(place, (item, given))| {
                Some(format!("[{place}]{}", difference(item, given, tenant)?))
            })
        }
        (Value::Object(fields), Value::Object(given)) if fields.len() == given.len() => {
            fields.iter().find_map(|(name, field)| match given.get(name) {
                Some(given) => Some(format!(".{name}{}", difference(field, given, tenant)?)),
                None => Some(format!(".{name}: missing")),
            })
        }
        (expected, answer) if expected == answer => None,
        _ => differs(),
    }
}

/// What is expected takes the way of the answer: written as text, and read once by the same reader, which may be off by
/// the last bit.
fn same_number(expected: &Number, given: &Number) -> bool {
    let read = serde_json::from_str::<f64>(&expected.to_string()).ok();
    expected == given || read == given.as_f64()
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}… ({} bytes)", text.get(..cut).unwrap_or_default(), text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::ALDER;

    #[test]
    fn f16_answers_are_compared_exactly() {
        let same = |expected: Value, answer: Value| difference(&expected, &answer, &ALDER).is_none();
        assert!(same(json!({ "a": [1, "x", null] }), json!({ "a": [1, "x", null] })));
        assert!(same(json!([3.0, 5e-324]), json!([3, 5e-324])));
        assert!(same(json!("<tenant>"), json!(ALDER.id)));
        assert!(same(json!("<uuid>"), json!("01234567-89ab-cdef-0123-456789abcdef")));
        for (expected, answer) in [
            (json!(1), json!("1")),
            (json!(1), json!(2)),
            (json!(null), json!(false)),
            (json!([1]), json!([1, 1])),
            (json!({ "a": null }), json!({})),
            (json!({}), json!({ "a": null })),
            (json!("<uuid>"), json!("01234567-89AB-cdef-0123-456789abcdef")),
            (json!("<tenant>"), json!(ALDER.workspace)),
        ] {
            assert!(!same(expected.clone(), answer.clone()), "{expected} {answer}");
        }
        let deep = difference(&json!({ "a": [1, { "b": 2 }] }), &json!({ "a": [1, { "b": 3 }] }), &ALDER);
        assert_eq!(deep.as_deref(), Some(".a[1].b: expected 2, got 3"));
    }
}
