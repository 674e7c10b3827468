//! `applet plan`: what an installation would take.

use std::process::ExitCode;

use applet_types::Version;
use clap::Args;
use serde_json::json;

use super::operator::{Operator, Where, refused};
use crate::opening::Purpose;
use crate::output::{CommandError, Output};

/// Makes the plan to install an applet, or to change its version, and shows it: permissions, tables, exact
/// DDL and locks. Of a change, only the difference.
#[derive(Debug, Args)]
#[command(
    name = "plan",
    after_help = "\
Examples:
  applet plan ai-chat --workspace 11111111-0000-4000-8000-000000000001
  applet plan ai-chat --version 1.1.0 --workspace …        what would an upgrade change?"
)]
pub(crate) struct PlanCommand {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    at: Where,
    /// The version; the one submitted last when left out.
    #[arg(long = "version", value_name = "VERSION")]
    version: Option<Version>,
}

impl PlanCommand {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let context = self.operator.context()?;
        let host = self.operator.place.open(Purpose::default(), output).await?;
        let planned =
            host.lifecycle.plan(&context, self.at.workspace, &self.at.applet, self.version.as_ref()).await;
        host.close().await?;
        let planned = planned.map_err(refused)?;
        output.result(
            &json!({
                "id": planned.record.id,
                "digest": planned.record.digest,
                "plan": planned.plan,
                "adjustments": planned.plan.adjustments(),
            }),
            format_args!(
                "{}\nplan {}, digest {}",
                planned.plan.render(),
                planned.record.id,
                planned.record.digest
            ),
        );
        Ok(ExitCode::SUCCESS)
    }
}
