//! `applet approve`: an admin's decision on a plan.

use std::process::ExitCode;
use std::time::Duration;

use applet_lifecycle::{Decision, GrantRef, Selection};
use clap::Args;
use serde_json::json;

use super::grants;
use super::operator::{Operator, Where, refused};
use crate::opening::Purpose;
use crate::output::{CommandError, Output};

/// Approves the open plan of an applet, whole or in part. Takes an admin's token.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet approve ai-chat --workspace 11111111-0000-4000-8000-000000000001
  applet approve ai-chat --workspace … --deny write:clients --deny read:clients.phone
  applet approve ai-chat --workspace … --grant read:chats --expires-hours 24")]
pub(crate) struct Approve {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    at: Where,
    /// Grant this only, as `read:table` or `write:table.column`; everything when left out. Of an upgrade: of
    /// what is new, this only.
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<GrantRef>,
    /// Grant everything but this.
    #[arg(long = "deny", value_name = "GRANT")]
    denies: Vec<GrantRef>,
    /// Hours that the approval may be used, at most seven days.
    #[arg(long, default_value_t = 168, value_parser = clap::value_parser!(u64).range(1..=168))]
    expires_hours: u64,
}

impl Approve {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let context = self.operator.context()?;
        let host = self.operator.place.open(Purpose::default(), output).await?;
        let approved = async {
            let (workspace, applet) = (self.at.workspace, &self.at.applet);
            let status = host.lifecycle.status(&context, workspace, applet).await?;
            let open = host.lifecycle.store().open_plan(context.tenant, status.id).await?;
            let plan = open.ok_or(applet_lifecycle::LifecycleError::NotFound("open plan"))?;
            let decision = Decision {
                plan: plan.id,
                selection: Selection {
                    grant: Some(self.grants).filter(|grants| !grants.is_empty()),
                    deny: self.denies,
                },
                limits: None,
                valid_for: Duration::from_secs(self.expires_hours * 3_600),
            };
            let delta = host.lifecycle.consent(&context, workspace, applet, &decision).await?;
            let approval = host.lifecycle.approve(&context, workspace, applet, &decision).await?;
            Ok::<_, applet_lifecycle::LifecycleError>((approval, delta))
        }
        .await;
        host.close().await?;
        let (approval, delta) = approved.map_err(refused)?;
        output.result(
            &json!({
                "ok": true,
                "approval": approval.id,
                "expires_at": approval.expires_at,
                "added": delta.added,
                "removed": delta.removed,
            }),
            format_args!(
                "{}\napproved until {}, to be used once",
                grants::difference(&delta),
                approval.expires_at.format("%Y-%m-%d %H:%M UTC")
            ),
        );
        Ok(ExitCode::SUCCESS)
    }
}
