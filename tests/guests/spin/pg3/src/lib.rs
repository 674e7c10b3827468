//! An application for Spin 2 and 3, with `spin:postgres` 3.0 and the `fermyon:spin/postgres` before it, by the
//! published SDK of that time. It knows nothing of this host.

#[path = "../../shared.rs"]
mod shared;

use anyhow::Result;
use http::{Request, Response};
use serde_json::{json, Value};
use shared::{bytes, date, date_time, time, Ask};
use spin_sdk::http_component;
use spin_sdk::{pg as pg2, pg3};

#[http_component]
fn process(request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
    let (status, answer) = match (request.method().as_str(), request.uri().path()) {
        ("GET", "/clients") => (200, clients()?),
        ("POST", "/query") => (200, query(request.body())?),
        ("POST", "/execute") => (200, execute(request.body())?),
        ("POST", "/v2/query") => (200, query_2(request.body())?),
        ("POST", "/v2/execute") => (200, execute_2(request.body())?),
        (_, path) if path.starts_with("/seen") => (200, shared::seen(&request)),
        _ => (404, json!("no such page")),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(serde_json::to_vec(&answer)?)?)
}

fn connection() -> Result<pg3::Connection> {
    Ok(pg3::Connection::open(&std::env::var("DB_URL")?)?)
}

fn clients() -> Result<Value> {
    use pg3::Decode;

    let rows = connection()?.query("SELECT id, first_name FROM clients ORDER BY id", &[])?;
    let client = |row: &pg3::Row| -> Result<Value> {
        Ok(json!({ "id": i64::decode(&row[0])?, "name": String::decode(&row[1])? }))
    };
    rows.rows.iter().map(client).collect()
}

fn query(body: &[u8]) -> Result<Value> {
    let ask = Ask::read(body)?;
    let parameters: Vec<_> = ask.parameters.iter().map(parameter).collect();
    Ok(match connection()?.query(&ask.sql, &parameters) {
        Ok(rows) => {
            let columns = rows.columns.iter().map(|column| format!("{}: {:?}", column.name, column.data_type));
            let row = |row: &pg3::Row| row.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>();
            json!({ "columns": columns.collect::<Vec<_>>(), "rows": rows.rows.iter().map(row).collect::<Vec<_>>() })
        }
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

fn query_2(body: &[u8]) -> Result<Value> {
    let ask = Ask::read(body)?;
    let parameters: Vec<_> = ask.parameters.iter().map(parameter_2).collect();
    let connection = pg2::Connection::open(&std::env::var("DB_URL")?)?;
    Ok(match connection.query(&ask.sql, &parameters) {
        Ok(rows) => {
            let columns = rows.columns.iter().map(|column| format!("{}: {:?}", column.name, column.data_type));
            let row = |row: &pg2::Row| row.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>();
            json!({ "columns": columns.collect::<Vec<_>>(), "rows": rows.rows.iter().map(row).collect::<Vec<_>>() })
        }
        Err(error) => json!({ "error": format!("{error:?}") }),
    })
}

fn execute_2(body: &[u8]) -> Result<Value> {
    let ask = Ask::read(body)?;
    let parameters: Vec<_> = ask.parameters.iter().map(parameter_2).collect();
    let connection = pg2::Connection::open(&std::env::var("DB_URL")?)?;
    Ok(match connection.execute(&ask.sql, &parameters) {
        Ok(changed) => json!({ "changed": changed }),
        Err(error) => json!({ "error": format!("{error:?}") }),
    })
}

fn failed(error: &pg3::PgError) -> Value {
    let (case, text) = match error {
        pg3::PgError::ConnectionFailed(text) => ("connection-failed", text),
        pg3::PgError::BadParameter(text) => ("bad-parameter", text),
        pg3::PgError::QueryFailed(text) => ("query-failed", text),
        pg3::PgError::ValueConversionFailed(text) => ("value-conversion-failed", text),
        pg3::PgError::Other(text) => ("other", text),
    };
    json!({ "case": case, "text": text })
}

fn parameter((kind, value): &(String, Value)) -> pg3::ParameterValue {
    let integer = || value.as_i64().unwrap();
    match kind.as_str() {
        "null" => pg3::ParameterValue::DbNull,
        "boolean" => pg3::ParameterValue::Boolean(value.as_bool().unwrap()),
        "int8" => pg3::ParameterValue::Int8(integer() as i8),
        "int16" => pg3::ParameterValue::Int16(integer() as i16),
        "int32" => pg3::ParameterValue::Int32(integer() as i32),
        "int64" => pg3::ParameterValue::Int64(integer()),
        "floating32" => pg3::ParameterValue::Floating32(value.as_f64().unwrap() as f32),
        "floating64" => pg3::ParameterValue::Floating64(value.as_f64().unwrap()),
        "str" => pg3::ParameterValue::Str(value.as_str().unwrap().to_owned()),
        "binary" => pg3::ParameterValue::Binary(bytes(value)),
        "date" => pg3::ParameterValue::Date(date(value)),
        "time" => pg3::ParameterValue::Time(time(value)),
        "datetime" => pg3::ParameterValue::Datetime(date_time(value)),
        "timestamp" => pg3::ParameterValue::Timestamp(integer()),
        other => panic!("no such type: {other}"),
    }
}

fn parameter_2((kind, value): &(String, Value)) -> pg2::ParameterValue {
    let integer = || value.as_i64().unwrap();
    match kind.as_str() {
        "null" => pg2::ParameterValue::DbNull,
        "boolean" => pg2::ParameterValue::Boolean(value.as_bool().unwrap()),
        "int8" => pg2::ParameterValue::Int8(integer() as i8),
        "int16" => pg2::ParameterValue::Int16(integer() as i16),
        "int32" => pg2::ParameterValue::Int32(integer() as i32),
        "int64" => pg2::ParameterValue::Int64(integer()),
        "uint8" => pg2::ParameterValue::Uint8(integer() as u8),
        "uint16" => pg2::ParameterValue::Uint16(integer() as u16),
        "uint32" => pg2::ParameterValue::Uint32(integer() as u32),
        "uint64" => pg2::ParameterValue::Uint64(value.as_u64().unwrap()),
        "floating32" => pg2::ParameterValue::Floating32(value.as_f64().unwrap() as f32),
        "floating64" => pg2::ParameterValue::Floating64(value.as_f64().unwrap()),
        "str" => pg2::ParameterValue::Str(value.as_str().unwrap().to_owned()),
        "binary" => pg2::ParameterValue::Binary(bytes(value)),
        other => panic!("no such type: {other}"),
    }
}
