//! `applet explain`: what the gate makes of a statement, without running it.

use std::process::ExitCode;

use applet_proxy::Explanation;
use applet_types::Limits;
use clap::Args;
use serde_json::json;

use super::sql::AsApplet;
use crate::output::{CommandError, Output};

/// Shows the rewritten statement, its tables and the limits it uses; or why it is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet explain --admin-database postgres://postgres@localhost/crm --manifest manifest.yaml \\
    --tenant 11111111-1111-4111-8111-111111111111 'SELECT * FROM clients WHERE id = $1'")]
pub(crate) struct Explain {
    #[command(flatten)]
    database: AsApplet,
    /// The statement.
    #[arg(value_name = "SQL")]
    statement: String,
}

impl Explain {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let session = self.database.open(true).await?;
        let call = session.next();
        let explained = session.proxy().explain(&call, &self.statement);
        let limits = Limits::clone(&call.limits);
        session.close().await?;
        match explained {
            Ok(explanation) => {
                show(output, &explanation, &limits);
                Ok(ExitCode::SUCCESS)
            }
            Err(failure) => Err(CommandError::statement(failure, &self.statement)),
        }
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
