//! An application for Spin 3 and its `spin:postgres` 4.x, as anybody would write it with the published SDK. It knows
//! nothing of this host.

#[path = "../../shared.rs"]
mod shared;

use anyhow::Result;
use http::{Request, Response};
use serde_json::{json, Value};
use shared::{bytes, date, date_time, number, time, Ask};
use spin_sdk::http_component;
use spin_sdk::pg4::{
    Connection, DbError, Decode, PgError as Error, ParameterValue, QueryError, RangeBoundKind, RowSet,
};

#[http_component]
fn process(request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
    let (status, answer) = match (request.method().as_str(), request.uri().path()) {
        ("GET", "/clients") => (200, clients()?),
        ("POST", "/notes") => (201, add_note(request.body())?),
        ("POST", "/query") => (200, query(request.body())?),
        ("POST", "/execute") => (200, execute(request.body())?),
        ("POST", "/open") => (200, open(request.body())),
        ("GET", "/loud") => return Ok(Response::builder().status(200).body(vec![b'a'; 3 << 20])?),
        ("GET", "/crash") => panic!("on purpose"),
        (_, path) if path.starts_with("/seen") => (200, shared::seen(&request)),
        _ => (404, json!("no such page")),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(serde_json::to_vec(&answer)?)?)
}

fn connection() -> Result<Connection> {
    Ok(Connection::open(&std::env::var("DB_URL")?)?)
}

fn clients() -> Result<Value> {
    let rows = connection()?.query("SELECT id, first_name FROM clients ORDER BY id", &[])?;
    let client = |row: spin_sdk::pg4::Row| {
        let (id, name) = (row.get::<i64>("id"), row.get::<String>("first_name"));
        json!({ "id": id, "name": name })
    };
    Ok(rows.rows().map(client).collect())
}

fn add_note(body: &[u8]) -> Result<Value> {
    let note: Value = serde_json::from_slice(body)?;
    let title = note["title"].as_str().unwrap_or_default().to_owned();
    let added = connection()?.execute("INSERT INTO notes (title) VALUES ($1)", &[title.into()])?;
    let rows = connection()?.query("SELECT count(*) FROM notes", &[])?;
    Ok(json!({ "added": added, "notes": i64::decode(&rows.rows[0][0])? }))
}

fn query(body: &[u8]) -> Result<Value> {
    let ask = Ask::read(body)?;
    let parameters: Vec<_> = ask.parameters.iter().map(parameter).collect();
    Ok(match connection()?.query(&ask.sql, &parameters) {
        Ok(rows) => shown(&rows),
        Err(error) => failed(&error),
    })
}

fn execute(body: &[u8]) -> Result<Value> {
    let ask = Ask::read(body)?;
    let parameters: Vec<_> = ask.parameters.iter().map(parameter).collect();
    Ok(match connection()?.execute(&ask.sql, &parameters) {
        Ok(changed) => json!({ "changed": changed }),
        Err(error) => failed(&error),
    })
}

/// Opens connections and never closes them.
fn open(body: &[u8]) -> Value {
    let wanted = serde_json::from_slice::<Value>(body).unwrap()["count"].as_u64().unwrap();
    for opened in 0..wanted {
        match Connection::open("postgres://user:secret-password@elsewhere/db") {
            Ok(connection) => std::mem::forget(connection),
            Err(error) => return json!({ "opened": opened, "failed": failed(&error) }),
        }
    }
    json!({ "opened": wanted })
}

fn shown(rows: &RowSet) -> Value {
    let columns = rows.columns.iter().map(|column| format!("{}: {:?}", column.name, column.data_type));
    let row = |row: &Vec<_>| row.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>();
    json!({ "columns": columns.collect::<Vec<_>>(), "rows": rows.rows.iter().map(row).collect::<Vec<_>>() })
}

fn failed(error: &Error) -> Value {
    match error {
        Error::ConnectionFailed(text) => json!({ "case": "connection-failed", "text": text }),
        Error::BadParameter(text) => json!({ "case": "bad-parameter", "text": text }),
        Error::ValueConversionFailed(text) => json!({ "case": "value-conversion-failed", "text": text }),
        Error::Other(text) => json!({ "case": "other", "text": text }),
        Error::QueryFailed(QueryError::Text(text)) => json!({ "case": "query-failed", "text": text }),
        Error::QueryFailed(QueryError::DbError(DbError { as_text, severity, code, message, detail, extras })) => {
            json!({
                "case": "query-failed", "text": as_text, "severity": severity, "code": code,
                "message": message, "detail": detail, "extras": extras,
            })
        }
    }
}

fn bound<T>(value: &Value, read: impl Fn(&Value) -> T) -> Option<(T, RangeBoundKind)> {
    let kind = if value[1] == "inclusive" { RangeBoundKind::Inclusive } else { RangeBoundKind::Exclusive };
    value.as_array().map(|_| (read(&value[0]), kind))
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> T) -> Vec<Option<T>> {
    value.as_array().unwrap().iter().map(|each| (!each.is_null()).then(|| read(each))).collect()
}

fn parameter((kind, value): &(String, Value)) -> ParameterValue {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let integer = |value: &Value| value.as_i64().unwrap();
    let integer32 = |value: &Value| value.as_i64().unwrap() as i32;
    match kind.as_str() {
        "null" => ParameterValue::DbNull,
        "boolean" => ParameterValue::Boolean(value.as_bool().unwrap()),
        "int8" => ParameterValue::Int8(integer(value) as i8),
        "int16" => ParameterValue::Int16(integer(value) as i16),
        "int32" => ParameterValue::Int32(integer(value) as i32),
        "int64" => ParameterValue::Int64(integer(value)),
        "floating32" => ParameterValue::Floating32(value.as_f64().unwrap() as f32),
        "floating64" => ParameterValue::Floating64(value.as_f64().unwrap()),
        "str" => ParameterValue::Str(text(value)),
        "binary" => ParameterValue::Binary(bytes(value)),
        "date" => ParameterValue::Date(date(value)),
        "time" => ParameterValue::Time(time(value)),
        "datetime" => ParameterValue::Datetime(date_time(value)),
        "timestamp" => ParameterValue::Timestamp(integer(value)),
        "uuid" => ParameterValue::Uuid(text(value)),
        "jsonb" => ParameterValue::Jsonb(text(value).into_bytes()),
        "decimal" => ParameterValue::Decimal(text(value)),
        "range-int32" => {
            ParameterValue::RangeInt32((bound(&value[0], integer32), bound(&value[1], integer32)))
        }
        "range-int64" => ParameterValue::RangeInt64((bound(&value[0], integer), bound(&value[1], integer))),
        "range-decimal" => ParameterValue::RangeDecimal((bound(&value[0], text), bound(&value[1], text))),
        "array-int32" => ParameterValue::ArrayInt32(list(value, integer32)),
        "array-int64" => ParameterValue::ArrayInt64(list(value, integer)),
        "array-decimal" => ParameterValue::ArrayDecimal(list(value, text)),
        "array-str" => ParameterValue::ArrayStr(list(value, text)),
        "interval" => ParameterValue::Interval(spin_sdk::pg4::Interval {
            micros: number(value, 0),
            days: number(value, 1),
            months: number(value, 2),
        }),
        other => panic!("no such type: {other}"),
    }
}
