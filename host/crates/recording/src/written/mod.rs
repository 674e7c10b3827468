//! The lines of a file, as serde has them. Every one refuses fields that it does not know: a recording says
//! everything or is of another format.

mod head;

use std::sync::Arc;

use applet_types::{Column, ColumnType, Encoding, Failure, Outcome, RowSet, Statement, Usage, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::cells;
use crate::recording::{Answer, Asked, Begun, Ended, Ending, Event, Level, Line, Readings};

pub(crate) use head::WrittenHead;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum WrittenLine {
    Query(WrittenQuery),
    Batch(WrittenBatch),
    Begin(WrittenBegin),
    Commit(WrittenEnd),
    Rollback(WrittenEnd),
    Log(WrittenLog),
    Clocks(WrittenClocks),
    End(WrittenEnding),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transaction: Option<u32>,
    sql: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<WrittenValue>,
    encoding: WrittenEncoding,
    answer: WrittenAnswer<WrittenOutcome>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenBatch {
    statements: Vec<WrittenStatement>,
    encoding: WrittenEncoding,
    answer: WrittenAnswer<Vec<WrittenOutcome>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStatement {
    sql: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<WrittenValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenBegin {
    transaction: u32,
    answer: WrittenAnswer<()>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenEnd {
    transaction: u32,
    answer: WrittenAnswer<()>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenLog {
    level: Level,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenClocks {
    wall_ms: Vec<(u64, u32)>,
    monotonic_ns: Vec<(u64, u32)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenEnding {
    how: How,
    usage: Usage,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Answer(String),
    Refused { code: String, message: String },
    NoSuchHook(()),
    Host(Box<Failure>),
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum WrittenEncoding {
    Packed,
    Json,
}

/// What came back, an error, or nothing.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenAnswer<T> {
    Ok(T),
    Error(Box<Failure>),
    Nothing(()),
}

/// A parameter. Whole numbers are decimal text: many readers of JSON have doubles only.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WrittenValue {
    Null(()),
    Boolean(bool),
    Integer(String),
    Float(String),
    Text(String),
    Bytes(String),
    Json(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOutcome {
    /// Name, kind, and of an array the kind of its elements.
    columns: Vec<Vec<String>>,
    count: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    affected: u64,
    /// Packed rows, cell by cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<Vec<Json>>>,
    /// Rows in the JSON encoding, the very text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<String>,
}

impl WrittenValue {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null(()),
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Integer(value) => Self::Integer(value.to_string()),
            Value::Float(value) => Self::Float(cells::float64(*value)),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Bytes(bytes) => Self::Bytes(hex::encode(bytes)),
            Value::Json(text) => Self::Json(text.clone()),
        }
    }

    fn read(self) -> Result<Value, String> {
        Ok(match self {
            Self::Null(()) => Value::Null,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Integer(text) => Value::Integer(text.parse().map_err(|_| "an integer is none".to_owned())?),
            Self::Float(text) => Value::Float(cells::read_float64(&text).ok_or("a float is none")?),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(text) => Value::Bytes(hex::decode(text).map_err(|_| "bytes are not hexadecimal")?),
            Self::Json(text) => Value::Json(text),
        })
    }
}

impl WrittenEncoding {
    const fn of(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Packed => Self::Packed,
            Encoding::Json => Self::Json,
        }
    }

    const fn read(self) -> Encoding {
        match self {
            Self::Packed => Encoding::Packed,
            Self::Json => Encoding::Json,
        }
    }
}

impl WrittenOutcome {
    fn of(outcome: &Outcome, encoding: Encoding) -> Result<Self, String> {
        let Outcome { rows, affected } = outcome;
        let columns = rows.columns.iter();
        let mut written = Self {
            columns: columns.map(write_column).collect(),
            count: rows.count,
            truncated: rows.truncated,
            affected: *affected,
            rows: None,
            json: None,
        };
        match encoding {
            Encoding::Packed => written.rows = Some(cells::read(rows).map_err(|error| error.to_string())?),
            Encoding::Json => {
                let text = std::str::from_utf8(&rows.data).map_err(|error| error.to_string())?;
                written.json = Some(text.to_owned());
            }
        }
        Ok(written)
    }

    fn read(self, encoding: Encoding) -> Result<Outcome, String> {
        let columns: Arc<[Column]> =
            self.columns.into_iter().map(|column| read_column(&column)).collect::<Result<_, _>>()?;
        let data = match (encoding, self.rows, self.json) {
            (Encoding::Packed, Some(rows), None) => {
                count(self.count, rows.len())?;
                cells::pack(&columns, &rows)?
            }
            (Encoding::Json, None, Some(text)) => {
                // A write without rows has no text at all.
                if !text.is_empty() {
                    let rows: Vec<serde::de::IgnoredAny> =
                        serde_json::from_str(&text).map_err(|_| "rows are not JSON")?;
                    count(self.count, rows.len())?;
                }
                text.into_bytes()
            }
            _ => return Err("rows are not in the encoding that was asked for".to_owned()),
        };
        let rows = RowSet { columns, count: self.count, truncated: self.truncated, data };
        Ok(Outcome { rows, affected: self.affected })
    }
}

/// A number of rows that is claimed is not believed.
fn count(claimed: u32, there: usize) -> Result<(), String> {
    if usize::try_from(claimed) == Ok(there) {
        return Ok(());
    }
    Err(format!("{claimed} rows are claimed and {there} are there"))
}

fn write_column(column: &Column) -> Vec<String> {
    let kinds = [Some(column.kind), column.element];
    let kinds = kinds.into_iter().flatten().map(|kind| kind.as_str().to_owned());
    std::iter::once(column.name.clone()).chain(kinds).collect()
}

fn read_column(written: &[String]) -> Result<Column, String> {
    let (name, kind, element) = match written {
        [name, kind] => (name, kind, None),
        [name, kind, element] => (name, kind, Some(kind_called(element)?)),
        _ => return Err("a column has a name and a kind, and of an array that of its elements".to_owned()),
    };
    Ok(Column { name: name.clone(), kind: kind_called(kind)?, element })
}

fn kind_called(name: &str) -> Result<ColumnType, String> {
    cells::KINDS
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .ok_or_else(|| "a column has a type that there is not".to_owned())
}

fn written<T, W>(
    answer: &Answer<T>,
    with: impl FnOnce(&T) -> Result<W, String>,
) -> Result<WrittenAnswer<W>, String> {
    Ok(match answer {
        Some(Ok(value)) => WrittenAnswer::Ok(with(value)?),
        Some(Err(failure)) => WrittenAnswer::Error(Box::new(failure.clone())),
        None => WrittenAnswer::Nothing(()),
    })
}

fn read<T, W>(
    answer: WrittenAnswer<W>,
    with: impl FnOnce(W) -> Result<T, String>,
) -> Result<Answer<T>, String> {
    Ok(match answer {
        WrittenAnswer::Ok(value) => Some(Ok(with(value)?)),
        WrittenAnswer::Error(failure) => Some(Err(*failure)),
        WrittenAnswer::Nothing(()) => None,
    })
}

fn write_statement(statement: &Statement) -> WrittenStatement {
    let parameters = statement.parameters.iter().map(WrittenValue::of).collect();
    WrittenStatement { sql: statement.sql.clone(), parameters }
}

fn read_statement(written: WrittenStatement) -> Result<Statement, String> {
    let parameters = written.parameters.into_iter().map(WrittenValue::read).collect::<Result<_, _>>()?;
    Ok(Statement { sql: written.sql, parameters })
}

impl WrittenLine {
    /// The line of an event. The error is a result that is not what its columns promise.
    pub(crate) fn of(event: &Event) -> Result<Self, String> {
        Ok(match event {
            Event::Asked(asked) => Self::of_asked(asked)?,
            Event::Begun(begun) => Self::Begin(WrittenBegin {
                transaction: begun.transaction,
                answer: written(&begun.answer, |()| Ok(()))?,
            }),
            Event::Ended(ended) => {
                let end = WrittenEnd {
                    transaction: ended.transaction,
                    answer: written(&ended.answer, |()| Ok(()))?,
                };
                if ended.commit { Self::Commit(end) } else { Self::Rollback(end) }
            }
            Event::Line(line) => Self::Log(WrittenLog { level: line.level, text: line.text.clone() }),
        })
    }

    fn of_asked(asked: &Asked) -> Result<Self, String> {
        let encoding = WrittenEncoding::of(asked.encoding);
        let all = |outcomes: &Vec<Outcome>| {
            outcomes.iter().map(|outcome| WrittenOutcome::of(outcome, asked.encoding)).collect()
        };
        match (asked.batch, asked.statements.as_slice()) {
            (false, [statement]) => {
                let WrittenStatement { sql, parameters } = write_statement(statement);
                let answer = written(&asked.answer, |outcomes| match outcomes.as_slice() {
                    [outcome] => WrittenOutcome::of(outcome, asked.encoding),
                    _ => Err("a statement has no outcome".to_owned()),
                })?;
                Ok(Self::Query(WrittenQuery {
                    transaction: asked.transaction,
                    sql,
                    parameters,
                    encoding,
                    answer,
                }))
            }
            (_, statements) => Ok(Self::Batch(WrittenBatch {
                statements: statements.iter().map(write_statement).collect(),
                encoding,
                answer: written(&asked.answer, all)?,
            })),
        }
    }

    pub(crate) fn clocks(readings: &Readings) -> Self {
        let Readings { wall, monotonic } = readings.clone();
        Self::Clocks(WrittenClocks { wall_ms: wall, monotonic_ns: monotonic })
    }

    pub(crate) fn end(ending: &Ending, usage: Usage) -> Self {
        let how = match ending.clone() {
            Ending::Answer(answer) => How::Answer(answer),
            Ending::Refused { code, message } => How::Refused { code, message },
            Ending::NoSuchHook => How::NoSuchHook(()),
            Ending::Host(failure) => How::Host(failure),
        };
        Self::End(WrittenEnding { how, usage })
    }
}

impl WrittenEnding {
    pub(crate) fn read(self) -> (Ending, Usage) {
        let ending = match self.how {
            How::Answer(answer) => Ending::Answer(answer),
            How::Refused { code, message } => Ending::Refused { code, message },
            How::NoSuchHook(()) => Ending::NoSuchHook,
            How::Host(failure) => Ending::Host(failure),
        };
        (ending, self.usage)
    }
}

impl WrittenClocks {
    pub(crate) fn read(self) -> Readings {
        Readings { wall: self.wall_ms, monotonic: self.monotonic_ns }
    }
}

impl WrittenQuery {
    pub(crate) fn read(self) -> Result<Event, String> {
        let encoding = self.encoding.read();
        let statement = WrittenStatement { sql: self.sql, parameters: self.parameters };
        Ok(Event::Asked(Asked {
            transaction: self.transaction,
            statements: vec![read_statement(statement)?],
            batch: false,
            encoding,
            answer: read(self.answer, |outcome| outcome.read(encoding).map(|outcome| vec![outcome]))?,
        }))
    }
}

impl WrittenBatch {
    pub(crate) fn read(self) -> Result<Event, String> {
        let encoding = self.encoding.read();
        let statements: Vec<_> = self.statements.into_iter().map(read_statement).collect::<Result<_, _>>()?;
        let expected = statements.len();
        let outcomes = |written: Vec<WrittenOutcome>| {
            count(u32::try_from(expected).unwrap_or(u32::MAX), written.len())?;
            written.into_iter().map(|outcome| outcome.read(encoding)).collect()
        };
        Ok(Event::Asked(Asked {
            transaction: None,
            answer: read(self.answer, outcomes)?,
            statements,
            batch: true,
            encoding,
        }))
    }
}

impl WrittenBegin {
    pub(crate) fn read(self) -> Result<Event, String> {
        Ok(Event::Begun(Begun { transaction: self.transaction, answer: read(self.answer, Ok)? }))
    }
}

impl WrittenEnd {
    pub(crate) fn read(self, commit: bool) -> Result<Event, String> {
        Ok(Event::Ended(Ended { transaction: self.transaction, commit, answer: read(self.answer, Ok)? }))
    }
}

impl WrittenLog {
    pub(crate) fn read(self) -> Event {
        Event::Line(Line { level: self.level, text: self.text })
    }
}
