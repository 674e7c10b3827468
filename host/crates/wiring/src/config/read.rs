//! YAML and environment variables, laid over the defaults key by key.

use std::ffi::OsString;

use applet_manifest::did_you_mean;
use serde_json::{Number, Value};
use serde_yaml::Value as Yaml;

use super::problem::Problem;

/// Environment variables that set a limit begin so.
const PREFIX: &str = "APPLET_LIMITS_";

/// Reads the file's text; nothing in it is a document without keys.
pub(super) fn document(text: &str) -> Result<Yaml, Problem> {
    serde_yaml::from_str(text).map_err(|error| Problem::new("", format!("not YAML: {error}")))
}

/// Puts what the document says in the place of what was there. A key that is not there already does not
/// exist.
pub(super) fn overlay(values: &mut Value, document: &Yaml, path: &str, problems: &mut Vec<Problem>) {
    match (values, document) {
        // `limits:` with nothing under it says nothing.
        (Value::Object(_), Yaml::Null) => {}
        (Value::Object(known), Yaml::Mapping(mapping)) => {
            for (key, value) in mapping {
                let Some(key) = key.as_str() else {
                    problems.push(Problem::new(path, "a key is not text"));
                    continue;
                };
                let below = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                match known.get_mut(key) {
                    Some(place) => overlay(place, value, &below, problems),
                    None => problems.push(unknown(&below, key, known.keys().map(String::as_str))),
                }
            }
        }
        (place, document) => match leaf(place, document) {
            Ok(value) => *place = value,
            Err(expected) => problems.push(Problem::new(path, format!("expected {expected}"))),
        },
    }
}

fn unknown<'a>(place: &str, key: &str, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let all = || known.clone().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let meant = did_you_mean(key, known.clone()).unwrap_or_else(|| format!("known are {}", all()));
    Problem::new(place.escape_debug().to_string(), format!("there is no such key; {meant}"))
}

/// The value, if it is of the kind that was there; otherwise what would be.
fn leaf(place: &Value, document: &Yaml) -> Result<Value, &'static str> {
    match (place, document) {
        (Value::Number(_), Yaml::Number(number)) => {
            number.as_u64().map(|number| Value::Number(Number::from(number))).ok_or("a whole number")
        }
        (Value::Number(_), _) => Err("a whole number"),
        (Value::Bool(_), Yaml::Bool(truth)) => Ok(Value::Bool(*truth)),
        (Value::Bool(_), _) => Err("`true` or `false`"),
        (Value::String(_) | Value::Null, Yaml::String(text)) => Ok(Value::String(text.clone())),
        (Value::Null, Yaml::Null) => Ok(Value::Null),
        (Value::String(_) | Value::Null, _) => Err("text"),
        (Value::Object(_), _) => Err("a mapping"),
        (Value::Array(_), Yaml::Sequence(items)) => {
            let texts = items.iter().map(|item| item.as_str().map(|text| Value::String(text.to_owned())));
            texts.collect::<Option<Vec<_>>>().map(Value::Array).ok_or("a list of texts")
        }
        (Value::Array(_), _) => Err("a list of texts"),
    }
}

/// Limits from environment variables. One that names no limit is a slip, not something to pass over.
pub(super) fn environment(
    values: &mut Value,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let Some(Value::Object(sections)) = values.get_mut("limits") else { continue };
        let mut places: Vec<(String, &mut Value)> = sections
            .iter_mut()
            .flat_map(|(section, limits)| {
                let limits = limits.as_object_mut().into_iter().flatten();
                limits.map(move |(limit, place)| {
                    (format!("{PREFIX}{section}_{limit}").to_ascii_uppercase(), place)
                })
            })
            .collect();
        let number = value.to_str().and_then(|text| text.trim().parse::<u64>().ok());
        match (places.iter_mut().find(|(known, _)| known == name), number) {
            (Some((_, place)), Some(number)) => **place = Value::Number(Number::from(number)),
            (Some(_), None) => problems.push(Problem::new(name, "expected a whole number")),
            (None, _) => {
                let message = match did_you_mean(name, places.iter().map(|(known, _)| known.as_str())) {
                    Some(question) => format!("there is no such limit; {question}"),
                    None => "there is no such limit".to_owned(),
                };
                problems.push(Problem::new(name, message));
            }
        }
    }
}
