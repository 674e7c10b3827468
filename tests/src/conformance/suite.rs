//! Reads `suite.yaml` and adds what it leaves out (`tests/conformance/README.md`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::host::repository;

/// Everything that a guest is asked.
#[derive(Debug)]
pub struct Suite {
    /// Calls of named hooks, in order.
    pub calls: Vec<Call>,
    /// Calls of lifecycle hooks, in order.
    pub lifecycle: Vec<Lifecycle>,
}

/// A call of a named hook.
#[derive(Debug)]
pub struct Call {
    /// The case that it belongs to.
    pub case: String,
    /// The hook.
    pub hook: String,
    /// What it is given.
    pub payload: Value,
    /// The role of whoever calls.
    pub role: String,
    /// The language of whoever calls.
    pub locale: Option<String>,
    /// What has to come of it.
    pub expected: Expected,
    /// The lines that it writes, if they matter.
    pub log: Option<Vec<LogLine>>,
}

/// What has to come of a call.
#[derive(Debug)]
pub enum Expected {
    /// This answer, in each tenant.
    Answer(Value),
    /// An answer in each tenant of its own.
    Answers(BTreeMap<String, Value>),
    /// The host says what went wrong.
    Problem(Problem),
}

/// A problem document, as far as it matters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// The applet's own code.
    pub applet_code: Option<String>,
    /// The sentence.
    pub detail: Option<String>,
}

/// A line of the applet's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// debug, info, warn or error.
    pub level: String,
    /// The line.
    pub text: String,
}

/// What a lifecycle hook writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// The hook.
    pub hook: String,
    /// Its line, at level info.
    pub line: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    values: Vec<WrittenValue>,
    cases: Vec<WrittenCase>,
    lifecycle: Vec<Lifecycle>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenValue {
    name: String,
    sql: String,
    #[serde(default)]
    parameters: Vec<Value>,
    columns: Value,
    packed: Value,
    json: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    name: String,
    calls: Vec<WrittenCall>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCall {
    #[serde(default = "query")]
    hook: String,
    #[serde(default)]
    payload: Value,
    #[serde(default = "platform")]
    role: String,
    locale: Option<String>,
    #[serde(default, deserialize_with = "even_null")]
    answer: Option<Value>,
    answers: Option<BTreeMap<String, Value>>,
    problem: Option<Problem>,
    log: Option<Vec<(String, Value)>>,
}

/// `answer: null` is an answer, too.
fn even_null<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

fn query() -> String {
    "query".to_owned()
}

fn platform() -> String {
    "platform".to_owned()
}

impl Suite {
    /// Reads the suite.
    ///
    /// # Panics
    ///
    /// When it is not as its README says.
    pub fn read() -> Self {
        let path = repository().join("tests/conformance/suite.yaml");
        let mut text: serde_yaml::Value =
            serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        text.apply_merge().unwrap();
        let written: Written = serde_yaml::from_value(text).unwrap();
        let values = written.values.into_iter().flat_map(WrittenValue::calls);
        let cases = written.cases.into_iter().flat_map(WrittenCase::calls);
        Self { calls: values.chain(cases).collect(), lifecycle: written.lifecycle }
    }
}

impl WrittenValue {
    /// The same statement in both encodings.
    fn calls(self) -> [Call; 2] {
        let call = |encoding: &str, rows: &Value| Call {
            case: format!("{} ({encoding})", self.name),
            hook: query(),
            payload: expand(json!({ "sql": self.sql, "parameters": self.parameters, "encoding": encoding })),
            role: platform(),
            locale: None,
            expected: Expected::Answer(expected(expand(json!({ "columns": self.columns, "rows": rows })))),
            log: None,
        };
        [call("packed", &self.packed), call("json", &self.json)]
    }
}

impl WrittenCase {
    fn calls(self) -> impl Iterator<Item = Call> {
        let name = self.name;
        self.calls.into_iter().enumerate().map(move |(place, call)| call.call(&name, place + 1))
    }
}

impl WrittenCall {
    fn call(self, case: &str, place: usize) -> Call {
        let answer = |value| expected(expand(value));
        let expected = match (self.answer, self.answers, self.problem) {
            (Some(value), None, None) if self.hook == "echo" => Expected::Answer(expand(value)),
            (Some(value), None, None) => Expected::Answer(answer(value)),
            (None, Some(each), None) => {
                Expected::Answers(each.into_iter().map(|(tenant, value)| (tenant, answer(value))).collect())
            }
            (None, None, Some(problem)) => Expected::Problem(problem),
            _ => panic!("{case}, call {place}: one of answer, answers, problem is expected"),
        };
        let line = |(level, text): (String, Value)| match expand(text) {
            Value::String(text) => LogLine { level, text },
            other => panic!("{case}, call {place}: {other} is no line"),
        };
        Call {
            case: format!("{case}, call {place}"),
            payload: payload(&self.hook, expand(self.payload)),
            hook: self.hook,
            role: self.role,
            locale: self.locale,
            expected,
            log: self.log.map(|lines| lines.into_iter().map(line).collect()),
        }
    }
}

/// What a payload leaves out.
fn payload(hook: &str, payload: Value) -> Value {
    match hook {
        "query" => {
            let mut query = statement(payload);
            query.as_object_mut().unwrap().entry("encoding").or_insert_with(|| json!("packed"));
            query
        }
        "execute" => statement(payload),
        "batch" | "transaction" => {
            let Value::Object(mut fields) = payload else { panic!("{payload} has no statements") };
            let statements = fields.get_mut("statements").unwrap().as_array_mut().unwrap();
            statements.iter_mut().for_each(|each| *each = statement(each.take()));
            fields.into()
        }
        _ => payload,
    }
}

/// A statement may be just its text.
fn statement(written: Value) -> Value {
    match written {
        Value::String(sql) => json!({ "sql": sql, "parameters": [] }),
        Value::Object(mut fields) => {
            fields.entry("parameters").or_insert_with(|| json!([]));
            fields.into()
        }
        other => panic!("{other} is no statement"),
    }
}

/// What an expected answer leaves out: fields of errors that are null, the usual counts of results.
fn expected(answer: Value) -> Value {
    let Value::Object(mut fields) = answer else { return answer };
    if let Some(Value::Object(error)) = fields.get_mut("error") {
        for name in ["span", "table", "column", "operation", "hint", "retry_after_ms"] {
            error.entry(name).or_insert(Value::Null);
        }
    }
    if let (Some(_), Some(Value::Array(rows))) = (fields.get("columns"), fields.get("rows")) {
        let count = json!(rows.len());
        fields.entry("truncated").or_insert(json!(false));
        fields.entry("affected").or_insert_with(|| count.clone());
        fields.entry("count").or_insert(count);
    }
    if let Some(Value::Array(results)) = fields.get_mut("results") {
        results.iter_mut().for_each(|result| *result = expected(result.take()));
    }
    if let Some(end) = fields.get_mut("end") {
        *end = expected(end.take());
    }
    fields.into()
}

/// `{repeat: ["x", 3, "y", 1]}` is the text `xxxy`.
fn expand(value: Value) -> Value {
    match value {
        Value::Object(fields) => match fields.get("repeat") {
            Some(Value::Array(parts)) if fields.len() == 1 => repeated(parts).into(),
            _ => fields.into_iter().map(|(name, value)| (name, expand(value))).collect::<Map<_, _>>().into(),
        },
        Value::Array(items) => items.into_iter().map(expand).collect(),
        other => other,
    }
}

fn repeated(parts: &[Value]) -> String {
    let part = |pair: &[Value]| match pair {
        [Value::String(text), Value::Number(times)] => {
            text.repeat(usize::try_from(times.as_u64().unwrap()).unwrap())
        }
        other => panic!("{other:?} is no text and number"),
    };
    parts.chunks(2).map(part).collect()
}
