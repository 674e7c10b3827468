//! The conformance protocol (`tests/conformance/README.md`), by way of the SDK.

use applet_sdk::{Cell, ColumnType, Error, HookError, Result, Rows, Value, db, log};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

/// A statement as the suite writes it.
#[derive(Debug, Deserialize)]
pub struct Statement {
    sql: String,
    #[serde(default)]
    parameters: Vec<Parameter>,
}

/// How rows are to be handed over.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Packed,
    Json,
}

#[derive(Debug, Deserialize)]
pub struct Query {
    #[serde(flatten)]
    statement: Statement,
    encoding: Encoding,
}

#[derive(Debug, Deserialize)]
pub struct Batch {
    statements: Vec<Statement>,
}

#[derive(Debug, Deserialize)]
pub struct Transaction {
    statements: Vec<Statement>,
    end: End,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum End {
    Commit,
    Rollback,
    Drop,
}

#[derive(Debug, Deserialize)]
pub struct Line {
    level: Level,
    message: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Deserialize)]
pub struct Failure {
    code: String,
    message: String,
}

/// Numbers come as text, so that no reader of JSON rounds them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Parameter {
    Null(()),
    Boolean(bool),
    Integer(String),
    Float(String),
    Text(String),
    Bytes(String),
    Json(String),
}

impl Parameter {
    fn value(self) -> Result<Value, HookError> {
        Ok(match self {
            Self::Null(()) => Value::Null,
            Self::Boolean(boolean) => Value::Boolean(boolean),
            Self::Integer(digits) => Value::Integer(digits.parse().map_err(bad_payload)?),
            Self::Float(bits) => {
                Value::Float(f64::from_bits(u64::from_str_radix(&bits, 16).map_err(bad_payload)?))
            }
            Self::Text(text) => Value::Text(text),
            Self::Bytes(hex) => Value::Bytes(from_hex(&hex)?),
            Self::Json(text) => Value::Json(text),
        })
    }
}

fn from_hex(hex: &str) -> Result<Vec<u8>, HookError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect::<Option<_>>().ok_or_else(|| bad_payload("not hex digits"))
}

fn bad_payload(problem: impl ToString) -> HookError {
    HookError::new("bad-payload", problem.to_string())
}

impl Statement {
    fn read(self) -> Result<(String, Vec<Value>), HookError> {
        let parameters = self.parameters.into_iter().map(Parameter::value).collect::<Result<_, _>>()?;
        Ok((self.sql, parameters))
    }
}

/// What `query` answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Read, and written anew.
    Written(Json),
    /// With the rows as they came.
    HandedOn { columns: Json, rows: Box<RawValue>, count: usize, truncated: bool, affected: u64 },
}

pub fn query(payload: Query) -> Result<Answer, HookError> {
    let (sql, parameters) = payload.statement.read()?;
    match payload.encoding {
        Encoding::Packed => Ok(Answer::Written(outcome(db::query(&sql, parameters)))),
        Encoding::Json => match db::query_json(&sql, parameters) {
            Ok(rows) => Ok(Answer::HandedOn {
                columns: columns(rows.columns()),
                count: rows.len(),
                truncated: rows.is_truncated(),
                affected: rows.affected(),
                rows: RawValue::from_string(rows.text().to_owned())
                    .map_err(|error| HookError::new("not-json", error.to_string()))?,
            }),
            Err(error) => Ok(Answer::Written(refused(&error))),
        },
    }
}

pub fn execute(payload: Statement) -> Result<Json, HookError> {
    let (sql, parameters) = payload.read()?;
    Ok(match db::execute(&sql, parameters) {
        Ok(affected) => json!({ "affected": affected }),
        Err(error) => refused(&error),
    })
}

pub fn batch(payload: Batch) -> Result<Json, HookError> {
    let statements = payload.statements.into_iter().map(Statement::read).collect::<Result<Vec<_>, _>>()?;
    let statements = statements.iter().map(|(sql, parameters)| (sql.as_str(), parameters.clone()));
    Ok(match db::batch(statements) {
        Ok(results) => json!({ "results": results.iter().map(table).collect::<Vec<_>>() }),
        Err(error) => refused(&error),
    })
}

pub fn transaction(payload: Transaction) -> Result<Json, HookError> {
    let transaction = match db::begin() {
        Ok(transaction) => transaction,
        Err(error) => return Ok(refused(&error)),
    };
    let mut results = Vec::with_capacity(payload.statements.len());
    for statement in payload.statements {
        let (sql, parameters) = statement.read()?;
        results.push(outcome(transaction.query(&sql, parameters)));
    }
    let ended = match payload.end {
        End::Commit => transaction.commit(),
        End::Rollback => transaction.rollback(),
        End::Drop => {
            drop(transaction);
            Ok(())
        }
    };
    let end = ended.err().map(|error| refused(&error));
    Ok(json!({ "results": results, "end": end }))
}

pub fn write(line: Line) {
    match line.level {
        Level::Debug => log::debug(line.message),
        Level::Info => log::info(line.message),
        Level::Warn => log::warn(line.message),
        Level::Error => log::error(line.message),
    }
}

pub fn fail(failure: Failure) -> HookError {
    HookError::new(failure.code, failure.message)
}

pub fn spin((): ()) -> Result<()> {
    loop {
        std::hint::black_box(());
    }
}

pub fn hoard((): ()) -> Result<()> {
    let mut kept = Vec::new();
    loop {
        kept.push(Vec::<u8>::with_capacity(1 << 20));
        std::hint::black_box(&kept);
    }
}

fn outcome(rows: Result<Rows>) -> Json {
    match rows {
        Ok(rows) => table(&rows),
        Err(error) => refused(&error),
    }
}

fn table(rows: &Rows) -> Json {
    let kinds: Vec<_> = rows.columns().iter().map(|column| column.kind).collect();
    let cells = rows.iter().map(|row| {
        let row = row?;
        Ok(kinds.iter().zip(row.cells()).map(|(kind, read)| cell(*kind, *read)).collect::<Vec<_>>())
    });
    match cells.collect::<Result<Vec<_>>>() {
        Ok(cells) => json!({
            "columns": columns(rows.columns()),
            "rows": cells,
            "count": rows.len(),
            "truncated": rows.is_truncated(),
            "affected": rows.affected(),
        }),
        Err(error) => refused(&error),
    }
}

fn columns(columns: &[applet_sdk::Column]) -> Json {
    columns.iter().map(|column| json!([column.name, kind(column.kind)])).collect()
}

fn kind(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Boolean => "boolean",
        ColumnType::Int16 => "int16",
        ColumnType::Int32 => "int32",
        ColumnType::Int64 => "int64",
        ColumnType::Float32 => "float32",
        ColumnType::Float64 => "float64",
        ColumnType::Numeric => "numeric",
        ColumnType::Text => "text",
        ColumnType::Bytes => "bytes",
        ColumnType::Uuid => "uuid",
        ColumnType::Date => "date",
        ColumnType::Time => "time",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Timestamptz => "timestamptz",
        ColumnType::Interval => "interval",
        ColumnType::Json => "json",
        ColumnType::Array => "array",
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float32 was widened when it was read")]
fn cell(kind: ColumnType, cell: Cell<'_>) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Boolean(boolean) => boolean.into(),
        Cell::Integer(number) if kind == ColumnType::Int64 => number.to_string().into(),
        Cell::Integer(number) => number.into(),
        Cell::Float(number) if kind == ColumnType::Float32 => {
            format!("{:08x}", (number as f32).to_bits()).into()
        }
        Cell::Float(number) => format!("{:016x}", number.to_bits()).into(),
        Cell::Numeric(text) | Cell::Text(text) | Cell::Json(text) => text.into(),
        Cell::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        Cell::Uuid(uuid) => uuid.to_string().into(),
        Cell::Date(date) => date.0.to_string().into(),
        Cell::Time(time) => time.0.to_string().into(),
        Cell::Timestamp(timestamp) => timestamp.0.to_string().into(),
        Cell::Interval(span) => format!("{} {} {}", span.months, span.days, span.micros).into(),
    }
}

fn refused(error: &Error) -> Json {
    json!({ "error": {
        "kind": error.kind.as_str(),
        "code": error.code,
        "message": error.message,
        "span": error.span,
        "table": error.table,
        "column": error.column,
        "operation": error.operation,
        "hint": error.hint,
        "retry_after_ms": error.retry_after_ms,
    }})
}
