//! What people and programs see: text for the one, JSON for the other.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use applet_types::{Failure, Span};
use serde::Serialize;
use serde_json::json;

/// Where a command's answers go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a result: `value` for programs, `text` for people.
    pub(crate) fn result(self, value: &impl Serialize, text: impl fmt::Display) {
        if self.json {
            // Our own report types: strings, numbers, lists. A failure would be a bug worth an empty line.
            self.line(&serde_json::to_string(value).unwrap_or_default());
        } else {
            self.line(&text.to_string());
        }
    }

    /// Prints a line for people while something is under way; programs read results only.
    pub(crate) fn progress(self, text: impl fmt::Display) {
        if !self.json {
            self.line(&text.to_string());
        }
    }

    /// Prints something beside the result, to standard error.
    pub(crate) fn remark(self, text: impl fmt::Display) {
        // A closed standard error leaves nobody to tell.
        let _closed = writeln!(io::stderr(), "{text}");
    }

    /// Prints something to know, to standard error.
    pub(crate) fn warning(self, text: impl fmt::Display) {
        // A closed standard error leaves nobody to tell.
        let _closed = writeln!(io::stderr(), "warning: {text}");
    }

    /// Prints what went wrong, to standard error.
    pub(crate) fn error(self, error: &CommandError) {
        let text = if self.json { error.as_json().to_string() } else { error.to_string() };
        // A closed standard error leaves nobody to tell.
        let _closed = writeln!(io::stderr(), "{text}");
    }

    fn line(self, text: &str) {
        // A reader that went away (`applet … | head`) is no error.
        let _closed = writeln!(io::stdout(), "{text}");
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// A failure with a code; with the statement it points into, if it does.
    Failure { failure: Box<Failure>, sql: Option<String> },
    /// An operation that was refused or failed, with its stable code.
    Refused { code: &'static str, message: String },
    /// Something about the call, the machine or a file, and what to do.
    Usage(String),
}

impl CommandError {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// A refusal with a stable code.
    pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into() }
    }

    /// A failure of a statement, so that the error can point into it.
    pub(crate) fn statement(failure: Failure, sql: &str) -> Self {
        Self::Failure { failure: Box::new(failure), sql: Some(sql.to_owned()) }
    }

    /// 1 when the work was refused or failed, 2 when the call has to be changed first.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failure { .. } | Self::Refused { .. } => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }

    /// As a program is told.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        match self {
            Self::Failure { failure, .. } => json!({ "ok": false, "error": failure }),
            Self::Refused { code, message } => {
                json!({ "ok": false, "error": { "code": code, "message": message } })
            }
            Self::Usage(message) => json!({ "ok": false, "error": { "code": "usage", "message": message } }),
        }
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        Self::Failure { failure: Box::new(failure), sql: None }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) => write!(f, "error: {message}"),
            Self::Refused { code, message } => write!(f, "error: {code}: {message}"),
            Self::Failure { failure, sql } => {
                write!(f, "error: {failure}")?;
                if let (Some(sql), Some(span)) = (sql, failure.span) {
                    write!(f, "\n{}", Pointer { sql, span })?;
                }
                if let Some(rule) = &failure.rule {
                    write!(f, "\n  rule: {rule}")?;
                }
                if let Some(hint) = &failure.hint {
                    write!(f, "\n  help: {hint}")?;
                }
                if failure.grantable {
                    write!(f, "\n  note: a tenant's admin can grant this")?;
                }
                Ok(())
            }
        }
    }
}

/// The line of a statement that an error is about, with the place underlined.
struct Pointer<'a> {
    sql: &'a str,
    span: Span,
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(before), Some(marked)) =
            (self.sql.get(..self.span.start), self.sql.get(self.span.start..self.span.end))
        else {
            return Ok(());
        };
        let line_number = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.sql.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let column = before.get(line_start..).map_or(0, |text| text.chars().count());
        let width = marked.lines().next().map_or(1, |text| text.chars().count()).max(1);
        let gutter = line_number.to_string();
        let blank = " ".repeat(gutter.len());
        let visible: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        write!(f, " {gutter} | {visible}\n {blank} | {}{}", " ".repeat(column), "^".repeat(width))
    }
}

/// An aligned table, as psql prints one.
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heads: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { heads: heads.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |index: usize| {
            std::iter::once(&self.heads)
                .chain(&self.rows)
                .filter_map(|row| row.get(index))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:<width$} ")).collect();
            cells.join("|").trim_end().to_owned()
        };
        writeln!(f, "{}", line(&self.heads))?;
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        write!(f, "{}", rule.join("+"))?;
        for row in &self.rows {
            write!(f, "\n{}", line(row))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use applet_types::ErrorCode;

    use super::*;

    #[test]
    fn f3_error_points_into_the_statement() {
        let sql = "SELECT *\nFROM invoices i";
        let failure = Failure::new(ErrorCode::TableNotAllowed, "`invoices` is not granted")
            .at(Span { start: 14, end: 22 })
            .hint("permissions.database.read: [invoices]");
        let text = CommandError::statement(failure, sql).to_string();
        assert_eq!(
            text,
            "error: table-not-allowed: `invoices` is not granted\n 2 | FROM invoices i\n   |      ^^^^^^^^\n  \
             help: permissions.database.read: [invoices]"
        );
    }

    #[test]
    fn f3_spans_outside_the_statement_point_nowhere() {
        let failure = Failure::new(ErrorCode::Syntax, "odd").at(Span { start: 90, end: 99 });
        assert_eq!(CommandError::statement(failure, "SELECT 1").to_string(), "error: syntax: odd\n");
    }

    #[test]
    fn s4_3_tables_are_aligned() {
        let mut table = Table::new(["id", "name"]);
        table.row(["1", "Ann"]);
        table.row(["20", "Bo"]);
        assert_eq!(table.to_string(), " id | name\n----+------\n 1  | Ann\n 20 | Bo");
    }
}
