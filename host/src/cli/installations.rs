//! `applet installations`: the applets in a tenant's workspaces, and where each stands.

use std::process::ExitCode;

use applet_lifecycle::LifecycleError;
use applet_store::{InstallationStatus, State};
use clap::Args;
use serde_json::json;

use super::operator::{Operator, refused};
use crate::opening::Purpose;
use crate::output::{CommandError, Output, Table};
use crate::top::circuits;

/// Lists a tenant's installations with their states, and their circuits on hosts that serve from this data
/// directory: an applet that keeps failing is left alone for a while.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet installations
  applet installations --json")]
pub(crate) struct Installations {
    #[command(flatten)]
    operator: Operator,
}

impl Installations {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let context = self.operator.context()?;
        let circuits = circuits(&self.operator.place.directory()?).await;
        let host = self.operator.place.open(Purpose::default(), output).await?;
        let store = host.lifecycle.store();
        let mut table = Table::new(["applet", "workspace", "state", "circuit", "what next"]);
        let mut records = Vec::new();
        let listed = store.installations(context.tenant).await;
        for status in listed.map_err(|error| refused(LifecycleError::from(error)))? {
            let operation = store.latest_operation(context.tenant, status.id).await;
            let operation = operation.map_err(|error| refused(LifecycleError::from(error)))?;
            let kind = operation.as_ref().map_or("install", |operation| operation.kind.as_str());
            let failure = operation.as_ref().and_then(|operation| operation.failure.as_ref());
            let next = next(&status, kind);
            let circuit = circuits.get(&status.id);
            table.row([
                status.applet.to_string(),
                status.workspace.to_string(),
                in_words(status.state, failure.map(|failure| failure.message.as_str())),
                circuit.map_or("", |state| state.as_str()).to_owned(),
                next.clone(),
            ]);
            records.push(json!({
                "applet": status.applet,
                "workspace": status.workspace,
                "installation": status.id,
                "state": status.state,
                "failure": failure,
                "generation": status.generation,
                "updated_at": status.updated_at,
                "circuit": circuit,
                "next": next,
            }));
        }
        host.close().await?;
        output.result(&records, table);
        Ok(ExitCode::SUCCESS)
    }
}

fn in_words(state: State, failure: Option<&str>) -> String {
    match (state, failure) {
        (State::Retired { until }, _) => format!("retired until {}", until.format("%Y-%m-%d %H:%M UTC")),
        (State::Failed { step, .. }, Some(failure)) => format!("failed at step {}: {failure}", step + 1),
        (State::Failed { step, .. }, None) => format!("failed at step {}", step + 1),
        (State::Applying { step }, _) => format!("applying step {}", step + 1),
        (other, _) => other.to_string(),
    }
}

/// The command that leads on from here.
fn next(status: &InstallationStatus, kind: &str) -> String {
    let applet = &status.applet;
    match status.state {
        State::Submitted | State::Rejected | State::Retired { .. } => format!("applet plan {applet}"),
        State::Planned | State::AwaitingApproval => format!("applet approve {applet}"),
        State::Approved => format!("applet {kind} {applet}"),
        State::Active => String::new(),
        State::Disabled => format!("applet enable {applet}"),
        State::Applying { .. } | State::Retiring => format!("applet {kind} {applet}, unless a host is at it"),
        State::Failed { resumable: true, .. } => {
            format!("applet {kind} {applet} goes on, --give-up ends it")
        }
        State::Failed { resumable: false, .. } => {
            format!("applet plan {applet} or applet uninstall {applet}")
        }
    }
}
