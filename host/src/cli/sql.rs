//! `applet sql`: statements as an applet in a tenant, through everything.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use applet_gate::Wall;
use applet_types::{Encoding, ErrorCode, Failure, SqlName, Statement, TenantId, Value};
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::{INSECURE_TRANSPORT, Place, check};
use crate::config::Config;
use crate::output::{CommandError, Output};
use crate::sql::{Answer, LONGEST_LINE, Line, Opening, SqlSession, as_table};

/// Runs statements as an applet in a tenant, through gate and database.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet sql --admin-database postgres://postgres@localhost/crm --manifest manifest.yaml \\
    --tenant 11111111-1111-4111-8111-111111111111 'SELECT id, first_name FROM clients'
  applet sql … --param 7 'SELECT * FROM chats WHERE client_id = $1'
  applet sql … --jsonl < statements.jsonl

With --jsonl, each line of standard input is {\"id\", \"sql\", \"params\": […]} and is answered
with one line.")]
pub(crate) struct Sql {
    #[command(flatten)]
    database: AsApplet,
    /// Undo every statement after it ran.
    #[arg(long)]
    rollback: bool,
    /// Read statements as JSON lines from standard input, answer with JSON lines.
    #[arg(long, conflicts_with = "statement")]
    jsonl: bool,
    /// A parameter of the statement, `$1` first.
    #[arg(long = "param", value_name = "VALUE")]
    parameters: Vec<String>,
    /// The statement.
    #[arg(required_unless_present = "jsonl", value_name = "SQL")]
    statement: Option<String>,
}

/// A manifest's applet in a tenant of a database, without an installation.
#[derive(Debug, Args)]
pub(crate) struct AsApplet {
    /// The database, with a superuser's URL: it is prepared for the manifest, and nothing else.
    #[arg(long, value_name = "URL")]
    admin_database: String,
    /// The manifest; what it requests counts as granted.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// The tenant to act in.
    #[arg(long, value_name = "UUID")]
    tenant: TenantId,
    /// A table without tenant column that every applet may read.
    #[arg(long = "global-table", value_name = "NAME")]
    global_tables: Vec<SqlName>,
    /// Which walls stand; anything but `both` is for testing the other wall.
    #[arg(long, value_enum, default_value = "both")]
    wall: WallChoice,
    /// Take a way to another machine that is not encrypted, or whose far end proves nothing, if the URL asks
    /// for one.
    #[arg(long, env = INSECURE_TRANSPORT, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    insecure_transport: Option<bool>,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WallChoice {
    /// Gate and database.
    Both,
    /// The gate alone: the role is not bound by row-level security.
    Gate,
    /// The database alone: the gate adds no tenant predicate and checks no table grants.
    Rls,
}

impl AsApplet {
    /// As serving does it, configured as `place` is.
    pub(crate) fn behind_both_walls(
        admin_database: String,
        manifest: PathBuf,
        tenant: TenantId,
        global_tables: Vec<SqlName>,
        place: &Place,
    ) -> Self {
        Self {
            admin_database,
            manifest,
            tenant,
            global_tables,
            wall: WallChoice::Both,
            insecure_transport: place.insecure_transport,
            config: place.config.clone(),
        }
    }

    pub(crate) async fn open(&self, rollback_each: bool) -> Result<SqlSession, CommandError> {
        let Config { limits, security, .. } = Config::load(self.config.as_deref())?;
        let manifest = check::load(&self.manifest, &limits)?;
        match self.wall {
            WallChoice::Both => {}
            WallChoice::Gate => {
                eprintln!("warning: row-level security is off for this command (--wall gate)")
            }
            WallChoice::Rls => {
                eprintln!("warning: the gate adds no tenant predicate in this command (--wall rls)")
            }
        }
        let opening = Opening {
            admin_database: &self.admin_database,
            manifest: &manifest,
            tenant: self.tenant,
            global_tables: self.global_tables.iter().cloned().collect::<BTreeSet<_>>(),
            limits: &limits,
            wall: if self.wall == WallChoice::Rls { Wall::DatabaseOnly } else { Wall::Both },
            bypass: self.wall == WallChoice::Gate,
            rollback_each,
            insecure_transport: self.insecure_transport.unwrap_or(security.insecure_transport),
        };
        SqlSession::open(&opening).await
    }
}

impl Sql {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let session = self.database.open(self.rollback).await?;
        let outcome = match &self.statement {
            Some(sql) => one(&session, output, sql, &self.parameters).await,
            None => lines(&session).await,
        };
        let closed = session.close().await;
        outcome?;
        closed?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn one(
    session: &SqlSession,
    output: Output,
    sql: &str,
    parameters: &[String],
) -> Result<(), CommandError> {
    let parameters = parameters.iter().cloned().map(Value::Text).collect();
    let statement = Statement { sql: sql.to_owned(), parameters };
    let report = session
        .proxy()
        .run(&session.next(), &statement, Encoding::Json)
        .await
        .map_err(|failure| CommandError::statement(failure, sql))?;
    let answer =
        Answer::rows(None, &report.outcome, &report.rewritten, report.duration).map_err(unreadable)?;
    output.result(&answer, as_table(&report.outcome).map_err(unreadable)?);
    Ok(())
}

/// Answers line by line until standard input ends.
async fn lines(session: &SqlSession) -> Result<(), CommandError> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut text = Vec::new();
    loop {
        text.clear();
        let most = LONGEST_LINE as u64 + 1;
        let read = input.by_ref().take(most).read_until(b'\n', &mut text).map_err(broken)?;
        if read == 0 {
            return Ok(());
        }
        if text.len() > LONGEST_LINE && text.last() != Some(&b'\n') {
            skip_line(&mut input)?;
            let failure = bad_line(format!("a line may have at most {LONGEST_LINE} bytes"));
            write_line(&mut output, &Answer::error(None, &failure))?;
            continue;
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        answer(session, &mut output, &text).await?;
    }
}

async fn answer(session: &SqlSession, output: &mut impl Write, text: &[u8]) -> Result<(), CommandError> {
    let line = std::str::from_utf8(text).map_err(|_| "the line is not UTF-8".to_owned()).and_then(Line::read);
    let line = match line {
        Ok(line) => line,
        Err(reason) => return write_line(output, &Answer::error(None, &bad_line(reason))),
    };
    match session.proxy().run(&session.next(), &line.statement, Encoding::Json).await {
        Ok(report) => {
            let answer = Answer::rows(Some(&line.id), &report.outcome, &report.rewritten, report.duration);
            write_line(output, &answer.map_err(unreadable)?)
        }
        Err(failure) => write_line(output, &Answer::error(Some(&line.id), &failure)),
    }
}

/// Throws the rest of an overlong line away without keeping it.
fn skip_line(input: &mut impl BufRead) -> Result<(), CommandError> {
    loop {
        let available = input.fill_buf().map_err(broken)?;
        if available.is_empty() {
            return Ok(());
        }
        let (used, found) = match available.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (available.len(), false),
        };
        input.consume(used);
        if found {
            return Ok(());
        }
    }
}

fn bad_line(reason: String) -> Failure {
    Failure::new(ErrorCode::BadParameter, reason)
}

/// Written and flushed before the next line is read: whoever drives this waits for it.
fn write_line(output: &mut impl Write, answer: &Answer<'_>) -> Result<(), CommandError> {
    let text = answer.to_line().map_err(unreadable)?;
    writeln!(output, "{text}").and_then(|()| output.flush()).map_err(broken)
}

fn broken(error: io::Error) -> CommandError {
    CommandError::usage(format!("standard input or output broke: {error}"))
}

fn unreadable(error: serde_json::Error) -> CommandError {
    CommandError::usage(format!("the rows are not JSON: {error}"))
}
