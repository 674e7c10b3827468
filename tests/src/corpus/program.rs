//! `applet sql --jsonl`: one process, one line per statement, one line back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use applet_types::{ErrorCode, ErrorGroup};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TENANT_A;

/// Longer than any statement may run, preparation of the database included.
const ANSWER: Duration = Duration::from_secs(60);

/// An answer as it is on the line.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// The id of the line, none when it could not be read.
    pub id: Value,
    /// Whether it succeeded.
    pub ok: bool,
    /// The columns' names.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The rows.
    #[serde(default)]
    pub rows: Vec<Vec<Value>>,
    /// Rows returned or changed.
    #[serde(default)]
    pub row_count: u64,
    /// Whether there were more.
    #[serde(default)]
    pub truncated: bool,
    /// What was sent to the database.
    #[serde(default)]
    pub rewritten: String,
    /// The code of the error.
    pub code: Option<ErrorCode>,
    /// The sentence of the error.
    #[serde(default)]
    pub message: String,
    /// Where in the statement, in bytes.
    #[serde(default)]
    pub span: Option<(usize, usize)>,
    /// The whole line.
    #[serde(skip)]
    pub line: String,
}

impl Answer {
    /// Whether the gate refused it, so that PostgreSQL never saw it.
    pub fn by_gate(&self) -> bool {
        self.code.is_some_and(|code| match code.group() {
            ErrorGroup::PermissionDenied
            | ErrorGroup::StatementRejected
            | ErrorGroup::InvalidArgument
            | ErrorGroup::LimitExceeded => true,
            ErrorGroup::DataError
            | ErrorGroup::ConstraintViolation
            | ErrorGroup::Conflict
            | ErrorGroup::Timeout
            | ErrorGroup::Busy
            | ErrorGroup::Unavailable
            | ErrorGroup::OutcomeUnknown
            | ErrorGroup::ManifestInvalid
            | ErrorGroup::Internal => false,
        })
    }
}

/// A running `applet sql --jsonl`.
#[derive(Debug)]
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    count: u64,
}

impl Program {
    /// Starts it for tenant A on a database, with further arguments (`--wall rls`, `--rollback`).
    pub fn start(database: &str, manifest: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(crate::applet())
            .args(["sql", "--admin-database", database, "--tenant", TENANT_A])
            .arg("--manifest")
            .arg(manifest)
            .args(["--global-table", "countries", "--jsonl"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, input, lines, count: 0 }
    }

    /// Sends a statement and waits for its answer.
    ///
    /// # Panics
    ///
    /// When the process has died, is silent, or answers another line: no statement may do that.
    pub fn ask(&mut self, sql: &str, params: &[Value]) -> Answer {
        self.count += 1;
        let id = self.count.to_string();
        let line = json!({ "id": id, "sql": sql, "params": params }).to_string();
        let answer = self.exchange(&line);
        assert_eq!(answer.id, Value::String(id), "the answers are out of step");
        answer
    }

    /// Sends a raw line and waits for the answer.
    ///
    /// # Panics
    ///
    /// As [`Program::ask`].
    pub fn exchange(&mut self, line: &str) -> Answer {
        let input = self.input.as_mut().expect("an open pipe");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("the program reads");
        let line = self.lines.recv_timeout(ANSWER).unwrap_or_else(|error| panic!("no answer: {error}"));
        let answer: Answer = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
        Answer { line, ..answer }
    }

    /// Ends the input and waits for a clean exit.
    ///
    /// # Panics
    ///
    /// When it exits with an error.
    pub fn finish(mut self) {
        drop(self.input.take());
        let status = self.child.wait().expect("the program ends");
        assert!(status.success(), "the program ended with {status}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.input.take());
        if std::thread::panicking() {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}
