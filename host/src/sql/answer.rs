//! One line of output, or a table for people.

use std::time::Duration;

use applet_types::{Failure, Outcome};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::output::Table;

/// What a statement gave.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answer<'a> {
    /// It ran.
    Rows {
        id: Option<&'a RawValue>,
        ok: bool,
        columns: Vec<&'a str>,
        rows: Box<RawValue>,
        row_count: u64,
        truncated: bool,
        ms: f64,
        rewritten: &'a str,
    },
    /// It was refused or failed.
    Error {
        id: Option<&'a RawValue>,
        ok: bool,
        code: &'a str,
        message: &'a str,
        span: Option<(usize, usize)>,
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    },
}

impl<'a> Answer<'a> {
    /// The answer to a statement that ran; its rows have to be JSON text.
    pub(crate) fn rows(
        id: Option<&'a RawValue>,
        outcome: &'a Outcome,
        rewritten: &'a str,
        took: Duration,
    ) -> Result<Self, serde_json::Error> {
        let text = match std::str::from_utf8(&outcome.rows.data) {
            Ok("") | Err(_) => "[]",
            Ok(text) => text,
        };
        Ok(Self::Rows {
            id,
            ok: true,
            columns: outcome.rows.columns.iter().map(|column| column.name.as_str()).collect(),
            rows: RawValue::from_string(text.to_owned())?,
            row_count: outcome.affected,
            truncated: outcome.rows.truncated,
            ms: (took.as_secs_f64() * 1e6).round() / 1e3,
            rewritten,
        })
    }

    /// The answer to a statement that did not run.
    pub(crate) fn error(id: Option<&'a RawValue>, failure: &'a Failure) -> Self {
        Self::Error {
            id,
            ok: false,
            code: failure.code.as_str(),
            message: &failure.message,
            span: failure.span.map(|span| (span.start, span.end)),
            rule: failure.rule.as_deref(),
            hint: failure.hint.as_deref(),
        }
    }

    /// The answer as one line.
    pub(crate) fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// The result as a person reads it.
pub(crate) fn as_table(outcome: &Outcome) -> Result<String, serde_json::Error> {
    if outcome.rows.columns.is_empty() {
        return Ok(format!("{} rows", outcome.affected));
    }
    let rows: Vec<Vec<serde_json::Value>> =
        if outcome.rows.data.is_empty() { Vec::new() } else { serde_json::from_slice(&outcome.rows.data)? };
    let mut table = Table::new(outcome.rows.columns.iter().map(|column| column.name.as_str()));
    for row in &rows {
        table.row(row.iter().map(cell));
    }
    let more = if outcome.rows.truncated { ", more were left out" } else { "" };
    Ok(format!("{table}\n({} rows{more})", rows.len()))
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        // Control characters of a tenant's data must not drive the reader's terminal.
        serde_json::Value::String(text) => {
            text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
        }
        other => other.to_string(),
    }
}
