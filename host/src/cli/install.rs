//! `applet install`: applies an approved plan.

use std::fmt::Write as _;
use std::process::ExitCode;

use applet_lifecycle::{InstallReport, Progress, TwinVerdict};
use clap::Args;
use serde_json::json;

use super::operator::{Operator, Where, refused};
use crate::opening::Purpose;
use crate::output::{CommandError, Output};

/// Installs an applet as its plan was approved. Killed half-way, it goes on where it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet install ai-chat --workspace 11111111-0000-4000-8000-000000000001
  applet install ai-chat --workspace … --give-up     end one that failed half-way")]
pub(crate) struct Install {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    at: Where,
    /// Give up an installation that failed and could be resumed; it can then be planned anew.
    #[arg(long)]
    give_up: bool,
}

impl Install {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let context = self.operator.context()?;
        let host = self.operator.place.open(Purpose::default(), output).await?;
        if self.give_up {
            let given_up = host.lifecycle.give_up(&context, self.at.workspace, &self.at.applet).await;
            host.close().await?;
            given_up.map_err(refused)?;
            output.result(&json!({ "ok": true }), "given up");
            return Ok(ExitCode::SUCCESS);
        }
        let installed =
            host.lifecycle.install(&context, self.at.workspace, &self.at.applet, &Steps(output)).await;
        host.close().await?;
        let report = installed.map_err(refused)?;
        output.result(&report, in_words(&report));
        Ok(ExitCode::SUCCESS)
    }
}

/// Steps, as they are taken.
pub(crate) struct Steps(pub(crate) Output);

impl Progress for Steps {
    fn step(&self, step: u32, of: u32, what: &str) {
        self.0.progress(format_args!("  [{step}/{of}] {what}"));
    }
}

/// What an installation did, for people.
pub(crate) fn in_words(report: &InstallReport) -> String {
    let mut text = format!("{} {} is active", report.applet, report.version);
    if report.restored {
        text.push_str(", and the rows that it had left are back");
    }
    for table in &report.tables {
        let how = if table.created { "created" } else { "joined" };
        // Writing into a string cannot fail.
        let _written = write!(text, "\n  table  {} {how}", table.table);
    }
    let _written = write!(text, "\n  role   {}", report.role);
    for table in &report.twin.tables {
        let finding = match &table.verdict {
            TwinVerdict::Holds { rows } => format!("holds, {rows} own rows seen"),
            TwinVerdict::Leaks { how } => format!("LEAKS: {how}"),
            TwinVerdict::NotChecked { why } => format!("not checked: {why}"),
        };
        let _written = write!(text, "\n  twin   {} {finding}", table.table);
    }
    for table in &report.missing {
        let _written = write!(text, "\n  note   `{table}` is granted and does not exist here");
    }
    text
}
