//! Parameters written into a reference statement, so that PostgreSQL infers their types from the context
//! as it does for parameters. Only for statements of this corpus: never a way to build SQL.

use serde_json::Value;

use super::TENANT_A;

/// The reference statement with `$T` and `$1`, `$2`, … replaced.
pub fn inlined(sql: &str, params: &[Value]) -> String {
    let mut text = sql.replace("$T", &format!("'{TENANT_A}'::uuid"));
    // From the last to the first, so that `$1` does not match the beginning of `$10`.
    for (index, value) in params.iter().enumerate().rev() {
        text = text.replace(&format!("${}", index + 1), &format!("({})", literal(value)));
    }
    text
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(Value::to_string).collect();
            quoted(&format!("{{{}}}", items.join(",")))
        }
        Value::Object(_) => quoted(&value.to_string()),
    }
}

fn quoted(text: &str) -> String {
    format!(" E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}
