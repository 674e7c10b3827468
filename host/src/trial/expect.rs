//! What a test expects, and what is told when it is not so.

use serde_json::Value;

use super::Answer;

/// What a call is expected to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expect {
    /// Answer whatever it likes, but no error.
    AnyAnswer,
    /// Answer exactly this.
    Answer(Value),
    /// Answer something in which all of this is: of objects the keys that are named, of lists every element.
    Matches(Value),
    /// End with an error of this code.
    Error(String),
}

impl Expect {
    /// Why an answer is not as expected; `None` if it is.
    pub(super) fn against(&self, answer: &Answer) -> Option<String> {
        match (self, answer) {
            (Self::Error(code), Err(refusal)) if *code == refusal.code => None,
            (Self::Error(code), Err(refusal)) => {
                Some(format!("expected error `{code}`, got `{}`: {}", refusal.code, refusal.message))
            }
            (Self::Error(code), Ok(answer)) => {
                Some(format!("expected error `{code}`, was answered {answer}"))
            }
            (Self::AnyAnswer | Self::Answer(_) | Self::Matches(_), Err(refusal)) => {
                Some(format!("failed with `{}`: {}", refusal.code, refusal.message))
            }
            (Self::AnyAnswer, Ok(_)) => None,
            (Self::Answer(expected), Ok(answer)) => difference(expected, answer, false),
            (Self::Matches(expected), Ok(answer)) => difference(expected, answer, true),
        }
    }
}

/// The first place at which two values differ, and how. In part, objects may have keys that are not expected.
fn difference(expected: &Value, got: &Value, in_part: bool) -> Option<String> {
    let mut place = String::new();
    let differs = first(expected, got, in_part, &mut place)?;
    let place = if place.is_empty() { String::new() } else { format!("at `{place}`: ") };
    Some(format!("{place}{differs}"))
}

fn first(expected: &Value, got: &Value, in_part: bool, place: &mut String) -> Option<String> {
    match (expected, got) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (key, value) in wanted {
                let length = place.len();
                place.push_str(&format!("{}{key}", if place.is_empty() { "" } else { "." }));
                let differs = match there.get(key) {
                    Some(found) => first(value, found, in_part, place),
                    None => Some(format!("expected {value}, there is nothing")),
                };
                if differs.is_some() {
                    return differs;
                }
                place.truncate(length);
            }
            let more: Vec<&str> =
                there.keys().filter(|key| !wanted.contains_key(*key)).map(String::as_str).collect();
            (!in_part && !more.is_empty()).then(|| format!("unexpected {}", more.join(", ")))
        }
        (Value::Array(wanted), Value::Array(there)) => {
            for (index, (value, found)) in wanted.iter().zip(there).enumerate() {
                let length = place.len();
                place.push_str(&format!("[{index}]"));
                let differs = first(value, found, in_part, place);
                if differs.is_some() {
                    return differs;
                }
                place.truncate(length);
            }
            let (wanted, there) = (wanted.len(), there.len());
            (wanted != there).then(|| format!("expected {wanted} elements, got {there}: {got}"))
        }
        _ if expected == got => None,
        _ => Some(format!("expected {expected}, got {got}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Refusal;
    use super::*;

    fn refusal(code: &str) -> Answer {
        Err(Refusal::of_applet(code, "no"))
    }

    #[test]
    fn f13_answers_are_compared_whole_or_in_part() {
        let answer = Ok(json!([{ "id": 1, "body": "a" }]));
        assert_eq!(Expect::Answer(json!([{ "id": 1, "body": "a" }])).against(&answer), None);
        assert_eq!(Expect::Matches(json!([{ "body": "a" }])).against(&answer), None);
        let told = |expect: Expect| expect.against(&answer).unwrap();
        assert_eq!(told(Expect::Answer(json!([{ "body": "a" }]))), "at `[0]`: unexpected id");
        assert_eq!(
            told(Expect::Matches(json!([{ "body": "b" }]))),
            r#"at `[0].body`: expected "b", got "a""#
        );
        assert_eq!(
            told(Expect::Matches(json!([{ "text": "a" }]))),
            r#"at `[0].text`: expected "a", there is nothing"#
        );
        assert!(told(Expect::Matches(json!([]))).starts_with("expected 0 elements, got 1"));
        assert_eq!(
            told(Expect::Error("gone".to_owned())),
            r#"expected error `gone`, was answered [{"body":"a","id":1}]"#
        );
    }

    #[test]
    fn f13_errors_are_expected_by_their_code() {
        assert_eq!(Expect::Error("gone".to_owned()).against(&refusal("gone")), None);
        assert!(Expect::Error("gone".to_owned()).against(&refusal("other")).is_some());
        for expect in [Expect::AnyAnswer, Expect::Answer(Value::Null), Expect::Matches(Value::Null)] {
            assert!(expect.against(&refusal("gone")).is_some(), "an error is no answer: {expect:?}");
        }
    }
}
