//! `applet upgrade` and `applet rollback`: another version, while hooks go on being answered.

use std::fmt::Write as _;
use std::process::ExitCode;

use applet_lifecycle::{LifecycleError, UpgradeOptions, UpgradeReport};
use applet_types::Version;
use clap::Args;
use serde_json::json;

use super::grants;
use super::install::{Steps, in_words};
use super::operator::{Operator, Where, refused};
use crate::opening::Purpose;
use crate::output::{CommandError, Output};

/// Brings an applet to another version while its hooks go on being answered. What asks for no new
/// permission passes without an approval. Killed half-way, it goes on where it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet upgrade ai-chat --workspace 11111111-0000-4000-8000-000000000001
  applet upgrade ai-chat --workspace … --to 1.1.0
  applet upgrade ai-chat --workspace … --keep-grants       new code under the permissions it has now
  applet upgrade ai-chat --workspace … --give-up           end one that failed half-way

When a version asks for more, it says what; `applet plan` shows the difference, `applet approve`
grants it, and the same command again upgrades.")]
pub(crate) struct Upgrade {
    #[command(flatten)]
    change: Change,
    /// Give up an upgrade that failed and could be resumed; the version before stays.
    #[arg(long, conflicts_with_all = ["to", "keep_grants"])]
    give_up: bool,
}

/// Goes back to the version that ran before. What newer versions added to tables stays, hidden.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet rollback ai-chat --workspace 11111111-0000-4000-8000-000000000001
  applet rollback ai-chat --workspace … --to 1.0.0")]
pub(crate) struct Rollback {
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, Args)]
struct Change {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    at: Where,
    /// The version; for an upgrade the one submitted last, for a rollback the one that ran before.
    #[arg(long, value_name = "VERSION")]
    to: Option<Version>,
    /// Want an admin's approval even if nothing new is asked for.
    #[arg(long, env = "APPLET_REQUIRE_APPROVAL")]
    require_approval: bool,
    /// Run the other version under the permissions granted now; for the rest it is told `not-granted`.
    #[arg(long)]
    keep_grants: bool,
}

impl Upgrade {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        if self.give_up {
            let context = self.change.operator.context()?;
            let at = &self.change.at;
            let host = self.change.operator.place.open(Purpose::default(), output).await?;
            let given_up = host.lifecycle.give_up(&context, at.workspace, &at.applet).await;
            host.close().await?;
            given_up.map_err(refused)?;
            output.result(&json!({ "ok": true }), "given up; the version before goes on");
            return Ok(ExitCode::SUCCESS);
        }
        self.change.run(false, output).await
    }
}

impl Rollback {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        self.change.run(true, output).await
    }
}

impl Change {
    async fn run(self, back: bool, output: Output) -> Result<ExitCode, CommandError> {
        let context = self.operator.context()?;
        let (workspace, applet) = (self.at.workspace, &self.at.applet);
        let options = UpgradeOptions {
            to: self.to,
            require_approval: self.require_approval,
            keep_grants: self.keep_grants,
        };
        let host = self.operator.place.open(Purpose::default(), output).await?;
        let steps = Steps(output);
        let outcome = if back {
            host.lifecycle.rollback(&context, workspace, applet, &options, &steps).await
        } else {
            host.lifecycle.upgrade(&context, workspace, applet, &options, &steps).await
        };
        host.close().await?;
        match outcome {
            Ok(report) => {
                output.result(&report, changed(&report));
                Ok(ExitCode::SUCCESS)
            }
            Err(LifecycleError::ConsentNeeded(needed)) => {
                output.progress(format_args!("asked for anew:\n{}", grants::lines("+", &needed.growth)));
                Err(refused(LifecycleError::ConsentNeeded(needed)))
            }
            Err(error) => Err(refused(error)),
        }
    }
}

/// What an upgrade did, for people.
pub(crate) fn changed(report: &UpgradeReport) -> String {
    if report.already {
        return format!("version {} runs already", report.to);
    }
    let by = if report.by_policy { "nothing new is asked for" } else { "as approved" };
    let mut text = format!("from {} to {}: {by}", report.from, report.to);
    if let Some(done) = &report.done {
        // Writing into a string cannot fail.
        let _written = write!(text, "\n{}", in_words(done));
    }
    if !report.withheld.is_empty() {
        let _written =
            write!(text, "\n  asked for and not granted\n{}", grants::lines(" ", &report.withheld));
    }
    text
}
