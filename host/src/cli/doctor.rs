//! `applet doctor`: what stands between applets and rows, and what somebody should do about it.

use std::process::ExitCode;

use applet_datasource::Admin;
use applet_datasource::doctor::{self, Report, Walls};
use applet_types::TenantForm;
use clap::Args;
use serde_json::json;

use super::Place;
use crate::endpoint::Endpoint;
use crate::opening::{Purpose, catalog_options, told};
use crate::output::{CommandError, Output, Table};
use crate::project::Project;
use crate::project::toolchain::{Tool, tools};

/// Examines the database: how the way there is protected, which walls each table has, in which form, the
/// server's version, keys that tell on tenants; and says where reads are cached. In a project, it looks for what
/// its language's builds need as well.
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
        let config = self.place.configuration()?;
        let options = catalog_options(&config);
        let (host, named) = match config.place.database_url {
            Some(url) => (None, url),
            None => {
                let host = self.place.open(Purpose::default(), output).await?;
                let url = host.admin_url.clone();
                (Some(host), url)
            }
        };
        let endpoint = Endpoint::parse(&named, config.security.insecure_transport)?;
        let transport = endpoint.probe().await?;
        let mut admin = Admin::connect(endpoint.url()).await.map_err(told)?;
        let report = doctor::examine(&mut admin, &options).await;
        admin.close().await.map_err(told)?;
        if let Some(host) = host {
            host.close().await?;
        }
        let report = report.map_err(told)?;
        let cache = super::cache::report(&self.place).await?;
        let mut problems = report.problems();
        problems.extend(transport.problem());
        problems.extend(cache.problems);
        // Anywhere else there is nothing to build.
        let needed = Project::find(None).map(|project| tools(project.language())).unwrap_or_default();
        problems.extend(needed.iter().filter(|tool| tool.version.is_none()).map(missing));
        let mut table = Table::new(["table", "walls", "keys that tell on tenants"]);
        for row in &report.tables {
            table.row([row.table.clone(), walls(row.walls).to_owned(), row.global_keys.join(", ")]);
        }
        let advice: String = problems.iter().map(|problem| format!("\n- {problem}")).collect();
        output.result(
            &json!({
                "report": report, "problems": problems, "transport": transport, "cache": cache.value,
                "tools": needed, "autogroup": is_autogrouped(),
            }),
            format_args!(
                "PostgreSQL {}, over {transport}\n{}\n{}{}{}\n\n{table}\n{advice}",
                report.version,
                cache.text,
                tenant_form(&report),
                if is_autogrouped() { AUTOGROUP } else { "" },
                found(&needed)
            ),
        );
        Ok(if problems.is_empty() && cache.works { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// No problem of the database's, and none where something else divides the CPU (a control group for each
/// service): so it is said, and is no reason to fail.
const AUTOGROUP: &str = "\nCPU: `kernel.sched_autogroup_enabled` is 1, so every session of a PostgreSQL on this \
    machine may take as much as this whole host: set it to 0, or give both a control group with a CPU weight";

/// Whether this kernel divides CPU by terminal sessions before it looks at priorities (sched(7)).
fn is_autogrouped() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled").is_ok_and(|value| value.trim() == "1")
}

fn missing(tool: &Tool) -> String {
    format!("`{}` is not installed, and the project is built with it: {}", tool.name, tool.install)
}

fn found(tools: &[Tool]) -> String {
    let found = tools
        .iter()
        .filter_map(|tool| Some(format!("\nto build with: {} ({})", tool.name, tool.version.as_ref()?)));
    found.collect()
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
