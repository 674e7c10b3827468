//! `applet explain`: what the gate makes of a statement, without running it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use applet_proxy::Explanation;
use applet_types::{AppletId, Failure, Limits, RequestId, SqlName, TenantId, WorkspaceId};
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::Place;
use super::invoke::failed;
use super::operator::Operator;
use super::sql::AsApplet;
use crate::opening::Purpose;
use crate::output::{CommandError, Output};
use crate::service::Service;

/// Shows the rewritten statement, its tables and the limits it uses; or why it is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet explain --applet ai-chat --workspace 11111111-0000-4000-8000-000000000001 \\
    'SELECT * FROM clients WHERE id = $1'
  applet explain --admin-database postgres://postgres@localhost/crm --manifest manifest.yaml \\
    --tenant 11111111-1111-4111-8111-111111111111 'SELECT * FROM clients WHERE id = $1'")]
pub(crate) struct Explain {
    #[command(flatten)]
    installed: Installed,
    #[command(flatten)]
    database: Uninstalled,
    /// The statement.
    #[arg(value_name = "SQL")]
    statement: String,
}

/// An applet that is installed, with what was granted to it.
#[derive(Debug, Args)]
struct Installed {
    #[command(flatten)]
    place: Place,
    /// A token of the tenant; `applet token` makes one.
    #[arg(long, env = "APPLET_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The applet's id.
    #[arg(long, value_name = "APPLET", requires = "workspace")]
    applet: Option<AppletId>,
    /// The workspace it is installed in.
    #[arg(long, value_name = "UUID", requires = "applet")]
    workspace: Option<WorkspaceId>,
}

/// A manifest's applet in a tenant of a database, without an installation.
#[derive(Debug, Args)]
struct Uninstalled {
    /// The database, with a superuser's URL: it is prepared for the manifest, and nothing else.
    #[arg(long, value_name = "URL", requires_all = ["manifest", "tenant"], conflicts_with = "applet")]
    admin_database: Option<String>,
    /// The manifest; what it requests counts as granted.
    #[arg(long, value_name = "FILE", requires = "admin_database")]
    manifest: Option<PathBuf>,
    /// The tenant to act in.
    #[arg(long, value_name = "UUID", requires = "admin_database")]
    tenant: Option<TenantId>,
    /// A table without tenant column that every applet may read.
    #[arg(long = "global-table", value_name = "NAME", requires = "admin_database")]
    global_tables: Vec<SqlName>,
}

impl Uninstalled {
    fn named(&self, place: &Place) -> Option<AsApplet> {
        Some(AsApplet::behind_both_walls(
            self.admin_database.clone()?,
            self.manifest.clone()?,
            self.tenant?,
            self.global_tables.clone(),
            place,
        ))
    }
}

impl Explain {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let (explained, limits) = match self.database.named(&self.installed.place) {
            Some(database) => {
                let session = database.open(true).await?;
                let call = session.next();
                let explained = session.proxy().explain(&call, &self.statement);
                session.close().await?;
                (explained, Limits::clone(&call.limits))
            }
            None => self.installed.explain(&self.statement, output).await?,
        };
        match explained {
            Ok(explanation) => {
                show(output, &explanation, &limits);
                Ok(ExitCode::SUCCESS)
            }
            Err(failure) => Err(CommandError::statement(failure, &self.statement)),
        }
    }
}

impl Installed {
    async fn explain(
        self,
        sql: &str,
        output: Output,
    ) -> Result<(Result<Explanation, Failure>, Limits), CommandError> {
        let (Some(applet), Some(workspace), Some(token)) = (self.applet, self.workspace, self.token) else {
            return Err(CommandError::usage(
                "say for whom: --applet, --workspace and a token, or --admin-database, --manifest and --tenant",
            ));
        };
        let operator = Operator { place: self.place, token };
        let caller = operator.caller()?;
        let host = Arc::new(operator.place.open(Purpose::default(), output).await?);
        let service = Service::new(Arc::clone(&host));
        let installation = service.installation((caller.tenant, workspace, applet)).await;
        drop(service);
        let explained = installation.map(|installation| {
            let request = RequestId::new(Uuid::now_v7());
            let call = installation.invocation(request, caller.actor(), "en", Instant::now());
            (host.proxy.explain(&call, sql), Limits::clone(&call.limits))
        });
        if let Some(host) = Arc::into_inner(host) {
            host.close().await?;
        }
        explained.map_err(failed)
    }
}

/// Prints an explanation.
pub(crate) fn show(output: Output, explanation: &Explanation, limits: &Limits) {
    let tables: Vec<String> =
        explanation.tables.iter().map(|(table, operation)| format!("{table} ({operation})")).collect();
    let limits = &limits.statement;
    output.result(
        &json!({
            "ok": true,
            "rewritten": explanation.rewritten,
            "tables": explanation.tables,
            "joins": { "used": explanation.joins, "limit": limits.joins },
            "subqueries": { "used": explanation.subqueries, "limit": limits.subqueries },
            "parameters": explanation.parameters,
            "row_cap": explanation.row_cap,
        }),
        format_args!(
            "{}\n\n  tables      {}\n  joins       {} of {}\n  subqueries  {} of {}\n  parameters  {}\n  rows        at most {}",
            explanation.rewritten,
            if tables.is_empty() { "none".to_owned() } else { tables.join(", ") },
            explanation.joins,
            limits.joins,
            explanation.subqueries,
            limits.subqueries,
            explanation.parameters,
            explanation.row_cap,
        ),
    );
}
