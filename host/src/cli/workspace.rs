//! `applet workspace`: a tenant's places for data.

use std::process::ExitCode;

use applet_store::Workspace as Record;
use applet_types::{TenantId, WorkspaceId};
use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

use super::Place;
use crate::opening::{Host, Purpose, told};
use crate::output::{CommandError, Output, Table};

/// Creates and lists workspaces.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet workspace create --tenant 11111111-1111-4111-8111-111111111111 --name 'Alder Dental'
  applet workspace list --tenant 11111111-1111-4111-8111-111111111111")]
pub(crate) struct Workspace {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Creates a workspace for a tenant of the database's `tenants` table.
    Create {
        /// The tenant.
        #[arg(long, value_name = "UUID")]
        tenant: TenantId,
        /// What people call it.
        #[arg(long)]
        name: String,
        /// Its id; a new one when left out. The same id again is the same workspace.
        #[arg(long, value_name = "UUID")]
        id: Option<WorkspaceId>,
    },
    /// Lists a tenant's workspaces.
    List {
        /// The tenant.
        #[arg(long, value_name = "UUID")]
        tenant: TenantId,
    },
}

impl Workspace {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let host = self.place.open(Purpose::default(), output).await?;
        let outcome = act(&host, self.action, output).await;
        host.close().await?;
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

async fn act(host: &Host, action: Action, output: Output) -> Result<(), CommandError> {
    let store = host.lifecycle.store();
    match action {
        Action::Create { tenant, name, id } => {
            let id = id.unwrap_or_else(|| WorkspaceId::new(Uuid::now_v7()));
            let wanted = Record { id, tenant, name };
            if !store.ensure_workspace(&wanted).await.map_err(told)? {
                return Err(CommandError::usage(format!("workspace {id} belongs to another tenant")));
            }
            output.result(&json!({ "id": id, "tenant": tenant, "name": wanted.name }), id);
        }
        Action::List { tenant } => {
            let workspaces = store.workspaces(tenant).await.map_err(told)?;
            let mut table = Table::new(["workspace", "name"]);
            let mut records = Vec::new();
            for workspace in &workspaces {
                table.row([workspace.id.to_string(), workspace.name.clone()]);
                records.push(json!({ "id": workspace.id, "name": workspace.name }));
            }
            output.result(&records, table);
        }
    }
    Ok(())
}
