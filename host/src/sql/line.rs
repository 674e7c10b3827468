//! One line of input: `{"id": …, "sql": "…", "params": […]}`.

use applet_types::{Statement, Value};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Bytes that a line may have.
pub(crate) const LONGEST_LINE: usize = 4 << 20;

/// A statement to run, and the id under which its answer is given.
#[derive(Debug)]
pub(crate) struct Line {
    /// Given back as it came.
    pub(crate) id: Box<RawValue>,
    pub(crate) statement: Statement,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    id: Option<Box<RawValue>>,
    sql: String,
    #[serde(default)]
    params: Vec<Box<RawValue>>,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without quoting it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text)
            .map_err(|error| format!("the line is not {{\"id\", \"sql\", \"params\"}}: {error}"))?;
        let id = match written.id {
            Some(id) => id,
            None => RawValue::from_string("null".to_owned()).map_err(|error| error.to_string())?,
        };
        let parameters = written
            .params
            .iter()
            .enumerate()
            .map(|(index, raw)| value(raw.get()).map_err(|error| format!("${}: {error}", index + 1)))
            .collect::<Result<_, _>>()?;
        Ok(Self { id, statement: Statement { sql: written.sql, parameters } })
    }
}

/// A JSON value as a bind parameter. Arrays and objects stay JSON text: what they become is decided by
/// the type that the server gives the parameter.
fn value(raw: &str) -> Result<Value, String> {
    Ok(match raw.bytes().next() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Boolean(true),
        Some(b'f') => Value::Boolean(false),
        Some(b'"') => Value::Text(serde_json::from_str(raw).map_err(|error| error.to_string())?),
        Some(b'[' | b'{') => Value::Json(raw.to_owned()),
        _ => number(raw),
    })
}

/// Numbers keep every digit: what neither an integer nor a float holds exactly goes as text.
fn number(raw: &str) -> Value {
    if let Ok(integer) = raw.parse::<i64>() {
        return Value::Integer(integer);
    }
    match raw.parse::<f64>() {
        Ok(float) if float.is_finite() && float.to_string() == raw => Value::Float(float),
        _ => Value::Text(raw.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_1_parameters_keep_every_digit() {
        let line = Line::read(
            r#"{"id":7,"sql":"SELECT $1","params":[1,-2.5,12345678901234567890,0.10,"x",null,true,[1,2],{"a":1}]}"#,
        )
        .unwrap();
        assert_eq!(line.id.get(), "7");
        assert_eq!(
            line.statement.parameters,
            [
                Value::Integer(1),
                Value::Float(-2.5),
                Value::Text("12345678901234567890".into()),
                Value::Text("0.10".into()),
                Value::Text("x".into()),
                Value::Null,
                Value::Boolean(true),
                Value::Json("[1,2]".into()),
                Value::Json(r#"{"a":1}"#.into()),
            ]
        );
    }

    #[test]
    fn s4_1_unreadable_lines_are_told_apart_from_statements() {
        for text in ["", "[]", "{", r#"{"id":1}"#, r#"{"sql":1}"#, r#"{"sql":"SELECT 1","parms":[]}"#] {
            assert!(Line::read(text).is_err(), "{text}");
        }
    }
}
