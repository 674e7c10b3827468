//! `applet disable` and `applet enable`: switching an installation off and on.

use std::process::ExitCode;

use applet_lifecycle::{HookOutcome, SwitchReport};
use clap::Args;

use super::operator::{Operator, Where, refused};
use crate::opening::Purpose;
use crate::output::{CommandError, Output};

/// Switches an applet off: new calls of its hooks are refused and running ones ended; rows, tables and grants
/// are kept.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet disable ai-chat --workspace 11111111-0000-4000-8000-000000000001
  applet disable ai-chat --workspace … --now     an emergency: its `on-disable` hook is not called")]
pub(crate) struct Disable {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    at: Where,
    /// At once: without its `on-disable` hook.
    #[arg(long)]
    now: bool,
}

/// Switches an applet on again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet enable ai-chat --workspace 11111111-0000-4000-8000-000000000001")]
pub(crate) struct Enable {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    at: Where,
}

impl Disable {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let context = self.operator.context()?;
        let host = self.operator.place.open(Purpose::default(), output).await?;
        let (life, workspace, applet) = (&host.lifecycle, self.at.workspace, &self.at.applet);
        let switched = if self.now {
            life.disable_now(&context, workspace, applet).await
        } else {
            life.disable(&context, workspace, applet).await
        };
        host.close().await?;
        report(&switched.map_err(refused)?, output);
        Ok(ExitCode::SUCCESS)
    }
}

impl Enable {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let context = self.operator.context()?;
        let host = self.operator.place.open(Purpose::default(), output).await?;
        let switched = host.lifecycle.enable(&context, self.at.workspace, &self.at.applet).await;
        host.close().await?;
        report(&switched.map_err(refused)?, output);
        Ok(ExitCode::SUCCESS)
    }
}

fn report(report: &SwitchReport, output: Output) {
    let note = match &report.hook {
        HookOutcome::None | HookOutcome::Called => String::new(),
        HookOutcome::Failed { reason } => {
            format!("\n  note   its own hook failed, which changed nothing: {reason}")
        }
    };
    output.result(report, format_args!("{}{note}", report.state));
}
