//! `applet doctor`: what stands between applets and rows, and what somebody should do about it.

use std::process::ExitCode;

use applet_datasource::doctor::{self, Report, Walls};
use applet_datasource::{Admin, catalog::CatalogOptions};
use applet_types::TenantForm;
use clap::Args;
use serde_json::json;

use super::Place;
use crate::output::{CommandError, Output, Table};
use crate::wiring::{Host, Purpose, told};

/// Examines the database: which walls each table has, in which form, the server's version, keys that tell on
/// tenants; and says where reads are cached.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet doctor
  applet doctor --database-url postgres://postgres@localhost/crm
  applet --json doctor")]
pub(crate) struct Doctor {
    #[command(flatten)]
    place: Place,
}

impl Doctor {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let named = self.place.configuration()?.place.database_url;
        let host = match named {
            Some(_) => None,
            None => Some(Host::open(&self.place, Purpose::default(), output).await?),
        };
        let url = match (&named, &host) {
            (Some(url), _) => url.clone(),
            (None, Some(host)) => host.admin_url.clone(),
            (None, None) => return Err(CommandError::usage("there is no database to examine")),
        };
        let mut admin = Admin::connect(&url).await.map_err(told)?;
        let report = doctor::examine(&mut admin, &CatalogOptions::default()).await;
        admin.close().await.map_err(told)?;
        if let Some(host) = host {
            host.close().await?;
        }
        let report = report.map_err(told)?;
        let cache = super::cache::report(&self.place).await?;
        let problems = report.problems();
        let mut table = Table::new(["table", "walls", "keys that tell on tenants"]);
        for row in &report.tables {
            table.row([row.table.clone(), walls(row.walls).to_owned(), row.global_keys.join(", ")]);
        }
        let advice: String = problems.iter().map(|problem| format!("\n- {problem}")).collect();
        output.result(
            &json!({ "report": report, "problems": problems, "cache": cache.value }),
            format_args!(
                "PostgreSQL {}\n{}\n{}\n\n{table}\n{advice}",
                report.version,
                cache.text,
                tenant_form(&report)
            ),
        );
        Ok(if problems.is_empty() && cache.works { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// How the tenant is told, and what stays within an applet's reach because of it.
fn tenant_form(report: &Report) -> String {
    let form = match report.tenant_form {
        None => return "tenant setting: none, the database was never prepared".to_owned(),
        Some(TenantForm::Plain) => {
            return "tenant setting: plain; applets can call nothing that sets it".to_owned();
        }
        Some(TenantForm::Signed) => "tenant setting: signed; who prepared the database is no superuser",
    };
    if report.staying_rights.is_empty() {
        return form.to_owned();
    }
    let staying: String = report.staying_rights.iter().map(|right| format!("\n  {right}")).collect();
    format!(
        "{form}\nPUBLIC keeps {} rights that only a superuser could take away. They run as the applet's role, bound by row \
         security, and only if a statement gets past the gate:{staying}",
        report.staying_rights.len()
    )
}

const fn walls(walls: Walls) -> &'static str {
    match walls {
        Walls::Both => "gate and row security",
        Walls::GateOnly => "GATE ONLY",
        Walls::Global => "global, read only",
        Walls::Unreachable => "no applet can name it",
    }
}
