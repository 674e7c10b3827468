//! Two JSON texts, compared place by place.

use serde::Serialize;
use serde_json::Value;

use crate::lines::{Place, align};

/// Differences that are listed; more help nobody.
const MOST: usize = 1_000;

/// A place in an answer that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerChange {
    /// Where, as `jq` writes it.
    pub path: String,
    /// What was recorded there, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Value>,
    /// What the replay has there, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<Value>,
}

/// Compares two answers. What is no JSON is compared as text.
pub(crate) fn compare(recorded: &str, replayed: &str) -> Vec<AnswerChange> {
    let mut changes = Vec::new();
    if recorded == replayed {
        return changes;
    }
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::from(text));
    walk(".", Some(&read(recorded)), Some(&read(replayed)), &mut changes);
    changes
}

fn walk(path: &str, recorded: Option<&Value>, replayed: Option<&Value>, changes: &mut Vec<AnswerChange>) {
    if changes.len() >= MOST || recorded == replayed {
        return;
    }
    match (recorded, replayed) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            for (key, value) in left {
                walk(&member(path, key), Some(value), right.get(key), changes);
            }
            for (key, value) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                walk(&member(path, key), None, Some(value), changes);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => arrays(path, left, right, changes),
        (left, right) => changes.push(AnswerChange {
            path: path.to_owned(),
            recorded: left.cloned(),
            replayed: right.cloned(),
        }),
    }
}

/// Elements that were put in or left out are told as such, and not as changes of all that come after.
fn arrays(path: &str, left: &[Value], right: &[Value], changes: &mut Vec<AnswerChange>) {
    let element = |at: usize| format!("{path}[{at}]");
    if left.len() == right.len() {
        for (at, (left, right)) in left.iter().zip(right).enumerate() {
            walk(&element(at), Some(left), Some(right), changes);
        }
        return;
    }
    // What was left out and what was put in at the same place is a change of one element.
    let places = align(left, right);
    let mut waiting = std::collections::VecDeque::new();
    for place in places {
        match place {
            Place::Left(at) => waiting.push_back(at),
            Place::Right(at) => {
                let before = waiting.pop_front();
                let before = before.and_then(|before| left.get(before));
                walk(&element(at), before, right.get(at), changes);
            }
            Place::Both(..) => {
                for at in waiting.drain(..) {
                    walk(&element(at), left.get(at), None, changes);
                }
            }
        }
    }
    for at in waiting {
        walk(&element(at), left.get(at), None, changes);
    }
}

fn member(path: &str, key: &str) -> String {
    let plain = key.chars().enumerate().all(|(at, letter)| {
        letter == '_' || letter.is_ascii_alphabetic() || (at > 0 && letter.is_ascii_digit())
    });
    let base = if path == "." { "" } else { path };
    match plain && !key.is_empty() {
        true => format!("{base}.{key}"),
        false => format!("{}[{}]", if base.is_empty() { "." } else { base }, Value::from(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(recorded: &str, replayed: &str) -> Vec<String> {
        compare(recorded, replayed).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn f10_only_what_differs_is_told_with_its_place() {
        assert!(compare(r#"{"a":1,"b":[1,2]}"#, r#"{"b":[1, 2], "a":1}"#).is_empty());
        assert_eq!(paths(r#"{"a":{"b":[{"c":1}]}}"#, r#"{"a":{"b":[{"c":2}]}}"#), [".a.b[0].c"]);
        assert_eq!(paths(r#"{"a b":1}"#, r#"{"a b":2}"#), [r#".["a b"]"#]);
        assert_eq!(paths("[1]", "[2]"), [".[0]"]);
        assert_eq!(paths("1", "2"), ["."]);
        assert_eq!(paths(r#"{"a":1}"#, r#"{"b":1}"#), [".a", ".b"]);
    }

    #[test]
    fn f10_an_element_that_is_new_does_not_change_all_that_follow() {
        let changes = compare("[1,2,3]", "[9,1,2,3]");
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].path.as_str(), &changes[0].recorded), (".[0]", &None));
        assert_eq!(paths("[1,2,3]", "[1,3]"), [".[1]"]);
    }
}
