//! What a developer is told of a request: the hook, its statements as they were written and as they ran, its
//! log, and what to change where something was refused.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use applet_api::{CallError, Reply};
use applet_manifest::did_you_mean;
use applet_types::{Failure, HookError, HookName, Value};
use serde_json::json;

use super::hint::{manifest_line, meant_table};
use super::reload::Running;
use crate::cli::failed;
use crate::demo_data::TENANTS;
use crate::logs::Level;
use crate::output::{CommandError, Output};
use crate::project::Manifest;
use crate::seen::{SeenStatement, Sight};

/// Characters of an answer, or of a parameter, that a person wants to see.
const ENOUGH: usize = 100;

/// One request, answered.
pub(crate) struct Answered<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) hook: &'a str,
    pub(crate) outcome: Result<&'a str, &'a CallError>,
    pub(crate) took: Duration,
    pub(crate) sights: &'a [Sight],
}

/// Says what became of a request.
pub(crate) fn request(output: Output, answered: &Answered<'_>, manifest: Option<&Manifest>) {
    output.result(&as_json(answered, manifest), as_text(answered, manifest));
}

/// Says what a version's own hooks did when it was installed.
pub(crate) fn tell_sights(output: Output, tenant: &str, sights: &[Sight]) {
    let answered = Answered { tenant, hook: "(install)", outcome: Ok(""), took: Duration::ZERO, sights };
    let parts: Vec<String> = sights.iter().map(|sight| sight_text(sight, None)).collect();
    output.result(&as_json(&answered, None), format_args!("{tenant} (install){}", parts.concat()));
}

fn sight_text(sight: &Sight, manifest: Option<&Manifest>) -> String {
    match sight {
        Sight::Line(level, line) => format!("\n  {}: {line}", Level::from(*level).as_str()),
        Sight::Statement(statement) => statement_text(statement, manifest),
    }
}

fn as_text(answered: &Answered<'_>, manifest: Option<&Manifest>) -> String {
    let Answered { tenant, hook, outcome, took, sights } = answered;
    let mut text = format!("{tenant} {hook}  {:.1} ms", took.as_secs_f64() * 1e3);
    let mut shown = false;
    for sight in *sights {
        text.push_str(&sight_text(sight, manifest));
        // What ended the hook is not told twice.
        if let (Sight::Statement(statement), Err(CallError::Hook(HookError::Host(ended)))) = (sight, outcome)
        {
            shown |= statement.result.as_ref().is_err_and(|failure| failure == ended);
        }
    }
    match outcome {
        Ok(answer) => {
            let _written = write!(text, "\n  = {}", shortened(answer));
        }
        Err(CallError::Hook(HookError::Applet { code, message })) => {
            // SDKs begin an error of the host's, passed on, with its code.
            let message = message.strip_prefix(&format!("{code}: ")).unwrap_or(message);
            let _written =
                write!(text, "\n  the hook's own error: {}: {}", one_line(code), one_line(message));
        }
        Err(error) if !shown => {
            let _written = write!(text, "\n{}", indented(&failed((*error).clone()).to_string()));
            if let (CallError::Hook(HookError::NoSuchHook(hook)), Some(manifest)) = (error, manifest) {
                text.push_str(&hooks_there(hook, manifest));
            }
        }
        Err(_) => {}
    }
    text
}

fn statement_text(statement: &SeenStatement, manifest: Option<&Manifest>) -> String {
    let mut text = format!("\n  {}", one_line(&statement.sql));
    for (index, value) in statement.parameters.iter().enumerate() {
        let _written = write!(text, "\n    ${} = {}", index + 1, value_text(value));
    }
    if let Some(rewritten) = &statement.rewritten {
        let _written = write!(text, "\n    ran as {rewritten}");
    }
    match &statement.result {
        Ok(shown) => {
            let rows = if shown.rows == 1 { "row" } else { "rows" };
            let took = statement.took.as_secs_f64() * 1e3;
            let _written = write!(text, "\n    {} {rows}, {took:.1} ms", shown.rows);
        }
        Err(failure) => text.push_str(&failure_text(failure, &statement.sql, manifest)),
    }
    text
}

fn failure_text(failure: &Failure, sql: &str, manifest: Option<&Manifest>) -> String {
    let error = CommandError::statement(failure.clone(), sql).to_string();
    let mut text = format!("\n{}", indented(&error));
    let Some(manifest) = manifest else { return text };
    if let Some(question) = meant_table(&manifest.valid, failure) {
        let _written = write!(text, "\n    {question}");
    } else if let Some(line) = manifest_line(&manifest.text, failure) {
        let how = if line.replaces { "should be" } else { "is missing" };
        let _written = write!(text, "\n    manifest.yaml line {} {how}\n    {}", line.line, line.text);
    }
    text
}

fn hooks_there(hook: &str, manifest: &Manifest) -> String {
    let hooks: Vec<&str> = manifest.valid.hooks().named().map(|hook| hook.name().as_str()).collect();
    let meant = did_you_mean(hook, hooks.iter().copied());
    format!("\n    {}", meant.unwrap_or_else(|| format!("hooks: {}", hooks.join(", "))))
}

fn as_json(answered: &Answered<'_>, manifest: Option<&Manifest>) -> serde_json::Value {
    let Answered { tenant, hook, outcome, took, sights } = answered;
    let (mut statements, mut log) = (Vec::new(), Vec::new());
    for sight in *sights {
        match sight {
            Sight::Line(level, text) => log.push(json!({ "level": Level::from(*level), "text": text })),
            Sight::Statement(statement) => statements.push(statement_json(statement, manifest)),
        }
    }
    let (answer, error) = match outcome {
        Ok(answer) => (serde_json::from_str(answer).unwrap_or(serde_json::Value::Null), None),
        Err(error) => (serde_json::Value::Null, Some(failed((*error).clone()).as_json())),
    };
    json!({
        "event": "request", "tenant": tenant, "hook": hook, "ms": took.as_secs_f64() * 1e3,
        "answer": answer, "error": error.as_ref().and_then(|error| error.get("error")),
        "statements": statements, "log": log,
    })
}

fn statement_json(statement: &SeenStatement, manifest: Option<&Manifest>) -> serde_json::Value {
    let failure = statement.result.as_ref().err();
    let line = failure.zip(manifest).and_then(|(failure, manifest)| manifest_line(&manifest.text, failure));
    json!({
        "sql": statement.sql,
        "parameters": statement.parameters.iter().map(value_text).collect::<Vec<_>>(),
        "rewritten": statement.rewritten,
        "rows": statement.result.as_ref().ok().map(|shown| shown.rows),
        "ms": statement.took.as_secs_f64() * 1e3,
        "error": failure,
        "manifest_line": line,
    })
}

/// Says where hooks can be called.
pub(crate) fn listening(output: Output, address: SocketAddr, running: Option<&Running>) {
    let hooks = running.map(Running::hooks).unwrap_or_default();
    let names: Vec<&str> = hooks.iter().map(HookName::as_str).collect();
    let urls = TENANTS
        .iter()
        .flat_map(|tenant| names.iter().map(move |hook| format!("http://{address}/{}/{hook}", tenant.short)));
    let urls: Vec<String> = urls.collect();
    let calls: String = urls.iter().map(|url| format!("\n  curl -d null {url}")).collect();
    output.result(
        &json!({ "event": "listening", "address": address.to_string(), "hooks": names, "urls": urls }),
        format_args!("listening on http://{address}{calls}"),
    );
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => format!("{:?}", shortened(text)),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Json(text) => shortened(text),
    }
}

fn shortened(text: &str) -> String {
    let mut letters = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut kept: String = letters.by_ref().take(ENOUGH).collect();
    if letters.next().is_some() {
        kept.push('…');
    }
    kept
}

fn one_line(text: &str) -> String {
    let plain = text.replace(char::is_control, " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// The outcome of a reply, as it is told.
pub(crate) fn outcome(reply: &Reply) -> Result<&str, &CallError> {
    reply.answer.as_ref().map(String::as_str)
}
