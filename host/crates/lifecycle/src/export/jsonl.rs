//! One JSON object per line, with the columns as its keys, in the table's order. Whole numbers, true, false and
//! null are JSON's; every other value is a string with PostgreSQL's own text of it: decimals so that no
//! reader rounds them, `jsonb` so that its numbers keep their digits, `bytea` as `\x…`.

use applet_types::SqlName;
use serde_json::Value;

use super::{Kind, Record};

/// Adds a line.
pub(crate) fn write(record: &Record, columns: &[SqlName], kinds: &[Kind], out: &mut Vec<u8>) {
    out.push(b'{');
    for (position, (column, value)) in columns.iter().zip(record).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        // Names of columns have no character that would have to be escaped.
        out.extend_from_slice(format!("\"{column}\":").as_bytes());
        let kind = kinds.get(position).copied().unwrap_or(Kind::Text);
        match value {
            None => out.extend_from_slice(b"null"),
            Some(text) if is_literal(text, kind) => out.extend_from_slice(text.as_bytes()),
            Some(text) => out.extend_from_slice(Value::from(text.as_str()).to_string().as_bytes()),
        }
    }
    out.extend_from_slice(b"}\n");
}

fn is_literal(text: &str, kind: Kind) -> bool {
    match kind {
        Kind::Integer => text.parse::<i64>().is_ok_and(|number| number.to_string() == text),
        Kind::Boolean => matches!(text, "true" | "false"),
        Kind::Number | Kind::Text => false,
    }
}

/// Reads one line with its end. `None` when it was not written by [`write`].
pub(crate) fn read(line: &[u8], columns: &[SqlName], kinds: &[Kind]) -> Option<Record> {
    let object: serde_json::Map<String, Value> = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
    if object.len() != columns.len() {
        return None;
    }
    let value = |(column, kind): (&SqlName, &Kind)| match (object.get(column.as_str())?, kind) {
        (Value::Null, _) => Some(None),
        (Value::String(text), _) => Some(Some(text.clone())),
        (Value::Bool(value), Kind::Boolean) => Some(Some(value.to_string())),
        (Value::Number(number), Kind::Integer) => Some(Some(number.as_i64()?.to_string())),
        _ => None,
    };
    columns.iter().zip(kinds).map(value).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Kind; 4] = [Kind::Integer, Kind::Number, Kind::Boolean, Kind::Text];

    fn columns() -> Vec<SqlName> {
        ["a", "b", "c", "d"].map(|name| name.parse().unwrap()).to_vec()
    }

    fn line(values: [Option<&str>; 4]) -> String {
        let mut out = Vec::new();
        write(&values.map(|value| value.map(str::to_owned)).to_vec(), &columns(), &KINDS, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn s4_38_values_are_written_as_documented() {
        assert_eq!(
            line([Some("9223372036854775807"), Some("0.70"), Some("true"), Some("\\x00")]),
            "{\"a\":9223372036854775807,\"b\":\"0.70\",\"c\":true,\"d\":\"\\\\x00\"}\n"
        );
        assert_eq!(line([None, None, None, Some("")]), "{\"a\":null,\"b\":null,\"c\":null,\"d\":\"\"}\n");
    }

    proptest! {
        #[test]
        fn s4_38_json_reads_back_exactly_what_was_written(
            values in prop::array::uniform4(prop::option::of(prop_oneof![any::<String>(), any::<i64>().prop_map(|n| n.to_string())]))
        ) {
            let record = values.to_vec();
            let mut out = Vec::new();
            write(&record, &columns(), &KINDS, &mut out);
            prop_assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
            prop_assert_eq!(read(&out, &columns(), &KINDS), Some(record));
        }
    }
}
