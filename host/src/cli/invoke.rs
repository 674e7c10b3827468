//! `applet invoke`: calls a hook from the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use applet_api::{CallError, HookRequest, Hooks};
use applet_types::{HookError, HookName, Usage};
use clap::Args;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Receiver;

use super::operator::{Operator, Where};
use crate::opening::{Host, Purpose};
use crate::output::{CommandError, Output};
use crate::record::{ORDER_BYTES, Order, Taken, usual_keep, write_recording};
use crate::service::{Key, Service};

/// Calls a named hook of an installed applet with a JSON text, and prints its answer.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet invoke ai-chat summary --workspace 11111111-0000-4000-8000-000000000001
  applet invoke ai-chat reply '{\"chat_id\": 1}' --workspace …
  applet invoke ai-chat summary --workspace … --usage      what it cost, to standard error
  applet --json invoke ai-chat summary --workspace …       {\"answer\": …, \"usage\": …}
  applet invoke ai-chat summary --workspace … --record call.jsonl    for `applet replay`")]
pub(crate) struct Invoke {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    at: Where,
    /// The hook.
    #[arg(value_name = "HOOK")]
    hook: HookName,
    /// Its argument, JSON text.
    #[arg(value_name = "JSON", default_value = "null")]
    payload: String,
    /// Say what the invocation has used.
    #[arg(long)]
    usage: bool,
    /// Record the call in a file for `applet replay`. It holds the tenant's rows, and the audit trail says so.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Record it without values.
    #[arg(long, requires = "record")]
    redact: bool,
}

impl Invoke {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        serde_json::from_str::<&RawValue>(&self.payload)
            .map_err(|error| CommandError::usage(format!("the argument is not JSON: {error}")))?;
        let caller = self.operator.caller()?;
        let host = Arc::new(self.operator.place.open(Purpose::default(), output).await?);
        let service = Service::new(Arc::clone(&host));
        let ordered = self.record.as_ref().map(|_| {
            host.recorder.order(Order {
                tenant: Some(caller.tenant),
                applet: Some(self.at.applet.clone()),
                calls: 1,
                bytes: ORDER_BYTES,
                until: None,
                redact: self.redact,
                keep: Some(usual_keep()),
                by: caller.actor().user(),
            })
        });
        let request = HookRequest {
            workspace: self.at.workspace,
            applet: self.at.applet,
            hook: self.hook,
            payload: self.payload,
            locale: "en".to_owned(),
        };
        let key = (caller.tenant, request.workspace, request.applet.clone());
        let reply = service.call(&caller, request).await;
        let meant = match &reply.answer {
            Err(CallError::Hook(HookError::NoSuchHook(hook))) => meant(&host, &service, key, hook).await,
            _ => String::new(),
        };
        drop(service);
        if let Some(host) = Arc::into_inner(host) {
            host.close().await?;
        }
        if let (Some(file), Some(taken)) = (&self.record, ordered) {
            let kept = keep(file, taken, self.redact, output);
            // Why a call was none is told by its own error.
            if reply.answer.is_ok() {
                kept?;
            }
        }
        if let Some(usage) = reply.usage.filter(|_| self.usage) {
            output.remark(in_words(&usage));
        }
        let answer = reply.answer.map_err(|error| match failed(error) {
            CommandError::Refused { code, message } => {
                CommandError::Refused { code, message: message + &meant }
            }
            error => error,
        })?;
        let value = RawValue::from_string(answer.clone()).map_err(crate::opening::told)?;
        output.result(&json!({ "answer": value, "usage": reply.usage }), &answer);
        Ok(ExitCode::SUCCESS)
    }
}

fn keep(file: &Path, mut taken: Receiver<Taken>, redact: bool, output: Output) -> Result<(), CommandError> {
    let Ok(taken) = taken.try_recv() else {
        return Err(CommandError::refused("not-recorded", "there was no call to record"));
    };
    let recording =
        taken.map_err(|why| CommandError::refused("not-recorded", format!("not recorded: {why}")))?;
    write_recording(file, &recording)?;
    let file = file.display();
    if redact {
        output.remark(format_args!("recorded without values in `{file}`"));
    } else {
        output.warning(format_args!("`{file}` holds rows of the tenant: keep it no longer than you need it"));
    }
    Ok(())
}

/// The hooks that the applet has, for one that it has not.
async fn meant(host: &Host, service: &Service, key: Key, hook: &str) -> String {
    let Ok(installation) = service.installation(key).await else { return String::new() };
    let Ok(Some(package)) = host.lifecycle.store().applet(installation.digest).await else {
        return String::new();
    };
    let Ok(manifest) = applet_manifest::load(package.manifest.as_bytes()) else { return String::new() };
    let hooks: Vec<&str> = manifest.hooks().named().map(|hook| hook.name().as_str()).collect();
    let meant = applet_manifest::did_you_mean(hook, hooks.iter().copied());
    format!("; {}", meant.unwrap_or_else(|| format!("it has {}", hooks.join(", "))))
}

fn in_words(usage: &Usage) -> String {
    let ms = |us: u64| Duration::from_micros(us).as_secs_f64() * 1_000.0;
    format!(
        "used {:.1} ms, of it {:.1} ms CPU and {:.1} ms database; {} KiB memory, {} statements, {} rows, {} \
         bytes, {} host calls",
        ms(usage.wall_us),
        ms(usage.cpu_us),
        ms(usage.database_us),
        usage.memory_bytes / 1_024,
        usage.statements,
        usage.rows,
        usage.bytes,
        usage.host_calls
    )
}

/// A hook that gave no answer, for the terminal.
pub(crate) fn failed(error: CallError) -> CommandError {
    match error {
        CallError::Hook(HookError::Host(failure)) => failure.into(),
        CallError::Hook(HookError::Applet { code, message }) => {
            // SDKs begin an error of the host's, passed on, with its code.
            let message = message.strip_prefix(&format!("{code}: ")).unwrap_or(&message);
            CommandError::Refused { code: "applet-error", message: format!("{code}: {message}") }
        }
        CallError::Hook(HookError::NoSuchHook(_)) => {
            CommandError::Refused { code: "no-such-hook", message: error.to_string() }
        }
        CallError::NotInstalled(_) => CommandError::Refused { code: "not-found", message: error.to_string() },
    }
}
