//! `applet uninstall`: takes an applet away, in the way an admin has approved.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use applet_lifecycle::{
    Decision, ExportFormat, HookOutcome, LifecycleError, OpContext, PlannedUninstall, Progress, RetireMode,
    UninstallReport,
};
use applet_store::{PlanState, State};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::install::Steps;
use super::operator::{Operator, Where, refused};
use crate::opening::{Host, Purpose};
use crate::output::{CommandError, Output};

/// Uninstalls an applet. The first call makes the plan and shows it; once an admin has approved it, the same
/// call again carries it out. Killed half-way, it goes on where it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet uninstall ai-chat --workspace 11111111-0000-4000-8000-000000000001
      the rows are kept for 30 days; `applet plan` and `applet install` bring them back
  applet uninstall ai-chat --workspace … --mode hard --yes
      planned, approved and done at once, with an admin's token: the rows are gone
  applet uninstall ai-chat --workspace … --mode export --format csv --out ai-chat-rows
      the rows are written to a folder, read again and compared, and then deleted
  applet uninstall ai-chat --workspace … --give-up
      end one that failed half-way")]
pub(crate) struct Uninstall {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    at: Where,
    /// What becomes of your rows.
    #[arg(long, value_enum, default_value_t = Mode::Soft)]
    mode: Mode,
    /// How exported rows are written.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// The folder to export to: a new or empty one, or the one of an export that was interrupted.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Approve the plan as well; takes an admin's token.
    #[arg(long)]
    yes: bool,
    /// Give up an uninstall that failed and could be resumed.
    #[arg(long)]
    give_up: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Kept for 30 days, out of reach; installing again brings them back.
    Soft,
    /// Deleted at once.
    Hard,
    /// Written to files, checked, then deleted.
    Export,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

/// How far it came.
enum Outcome {
    Planned(Box<PlannedUninstall>),
    Done(UninstallReport),
    GivenUp,
}

impl Uninstall {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let context = self.operator.context()?;
        if self.mode == Mode::Export && self.out.is_none() && !self.give_up {
            return Err(CommandError::usage("an export needs a folder: add `--out DIR`"));
        }
        let host = self.operator.place.open(Purpose::default(), output).await?;
        let outcome = self.go(&host, &context, output).await;
        host.close().await?;
        match outcome.map_err(refused)? {
            Outcome::GivenUp => output.result(&json!({ "ok": true }), "given up"),
            Outcome::Planned(planned) => self.show(&planned, output),
            Outcome::Done(report) => output.result(&report, in_words(&report)),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn mode(&self) -> RetireMode {
        match (self.mode, self.format) {
            (Mode::Soft, _) => RetireMode::Soft,
            (Mode::Hard, _) => RetireMode::Hard,
            (Mode::Export, Format::Jsonl) => RetireMode::Export { format: ExportFormat::Jsonl },
            (Mode::Export, Format::Csv) => RetireMode::Export { format: ExportFormat::Csv },
        }
    }

    async fn go(&self, host: &Host, context: &OpContext, output: Output) -> Result<Outcome, LifecycleError> {
        let (life, workspace, applet) = (&host.lifecycle, self.at.workspace, &self.at.applet);
        if self.give_up {
            return life.give_up(context, workspace, applet).await.map(|()| Outcome::GivenUp);
        }
        let status = life.status(context, workspace, applet).await?;
        if !matches!(status.state, State::Retiring | State::Failed { resumable: true, .. }) {
            let planned = life.plan_uninstall(context, workspace, applet, self.mode()).await?;
            if planned.record.state == PlanState::Pending {
                if !self.yes {
                    return Ok(Outcome::Planned(Box::new(planned)));
                }
                output.progress(planned.plan.render(&planned.estimate));
                let decision = Decision::everything(planned.record.id);
                life.approve(context, workspace, applet, &decision).await?;
            }
        }
        let bar = Bar::new(output);
        let done = life.uninstall(context, workspace, applet, self.out.as_deref(), &bar).await;
        bar.end();
        done.map(Outcome::Done)
    }

    fn show(&self, planned: &PlannedUninstall, output: Output) {
        let next = format!(
            "applet approve {} --workspace {}, then this command again",
            self.at.applet, self.at.workspace
        );
        output.result(
            &json!({
                "state": "waits-for-approval",
                "id": planned.record.id,
                "digest": planned.record.digest,
                "plan": planned.plan,
                "estimate": planned.estimate,
                "next": next,
            }),
            format_args!("{}\nnothing is done yet; to do it: {next}", planned.plan.render(&planned.estimate)),
        );
    }
}

/// Steps as lines, and rows as a bar where somebody watches.
struct Bar {
    steps: Steps,
    watched: bool,
    shown: Mutex<Option<u64>>,
}

/// Cells of a full bar.
const CELLS: u64 = 30;

impl Bar {
    fn new(output: Output) -> Self {
        Self { steps: Steps(output), watched: std::io::stderr().is_terminal(), shown: Mutex::default() }
    }

    /// Leaves the line that the bar is on.
    fn end(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if shown.take().is_some() {
            // A closed standard error leaves nobody to tell.
            let _closed = writeln!(std::io::stderr());
        }
    }
}

impl Progress for Bar {
    fn step(&self, step: u32, of: u32, what: &str) {
        self.end();
        self.steps.step(step, of, what);
    }

    fn rows(&self, table: &str, done: u64, of: u64) {
        if !self.watched {
            return;
        }
        let percent = (done * 100).checked_div(of).unwrap_or(100).min(100);
        let mut shown = self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *shown == Some(percent) {
            return;
        }
        *shown = Some(percent);
        let full = (percent * CELLS / 100) as usize;
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(CELLS as usize - full));
        let _closed = write!(std::io::stderr(), "\r  {bar} {percent:>3} %  {done} rows of {table}");
    }
}

/// What an uninstall did, for people.
pub(crate) fn in_words(report: &UninstallReport) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{} {} is uninstalled", report.applet, report.version);
    let what = match (report.shared, report.mode) {
        (true, _) => "stay, another workspace of yours uses them",
        (false, RetireMode::Soft) => "kept",
        (false, RetireMode::Hard) => "deleted",
        (false, RetireMode::Export { .. }) => "exported and deleted",
    };
    for left in &report.tables {
        // Writing into a string cannot fail.
        let _written = write!(text, "\n  table  {}: {} rows {what}", left.table, left.rows);
    }
    if let Some(export) = &report.export {
        let _written = write!(text, "\n  files  {}", export.folder.display());
    }
    if let Some(until) = report.kept_until {
        let until = until.format("%Y-%m-%d %H:%M UTC");
        let _written =
            write!(text, "\n  until {until}, `applet plan` and `applet install` bring the rows back");
    }
    if let HookOutcome::Failed { reason } = &report.hook {
        let _written = write!(text, "\n  note   its own hook failed, which changed nothing: {reason}");
    }
    text
}
