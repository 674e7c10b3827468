//! `applet purge`: deletes what uninstalled applets have left, once its time is over.

use std::process::ExitCode;

use applet_lifecycle::PurgeReport;
use clap::Args;

use super::Place;
use super::operator::refused;
use crate::opening::Purpose;
use crate::output::{CommandError, Output};

/// Deletes the rows that soft uninstalls have kept for 30 days (and a day of grace), of all tenants, by the
/// database's clock. `applet serve` does the same from time to time.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet purge --dry-run     what would go now, and what waits until when
  applet purge")]
pub(crate) struct Purge {
    #[command(flatten)]
    place: Place,
    /// Only say what would be deleted.
    #[arg(long)]
    dry_run: bool,
}

impl Purge {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let host = self.place.open(Purpose::default(), output).await?;
        let purged = host.lifecycle.purge(self.dry_run).await;
        host.close().await?;
        let report = purged.map_err(refused)?;
        output.result(&report, in_words(&report));
        // What failed is tried again by the next run; whoever started this one should know.
        Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn in_words(report: &PurgeReport) -> String {
    let mut lines = Vec::new();
    let gone = if report.dry_run { "would be deleted" } else { "deleted" };
    for rows in &report.purged {
        lines.push(format!("{} rows of {} in workspace {} {gone}", rows.rows, rows.applet, rows.workspace));
    }
    let gone = if report.dry_run { "would be dropped" } else { "dropped" };
    lines.extend(report.dropped.iter().map(|table| format!("table {table} {gone}")));
    for rows in &report.waiting {
        lines.push(format!(
            "rows of {} in workspace {} can be restored until {} and are purged from {}",
            rows.applet,
            rows.workspace,
            rows.kept_until.format("%Y-%m-%d %H:%M UTC"),
            rows.purge_from.format("%Y-%m-%d %H:%M UTC"),
        ));
    }
    lines.extend(report.failed.iter().map(|what| format!("not done, tried again by the next run: {what}")));
    if lines.is_empty() {
        lines.push("nothing to purge".to_owned());
    }
    lines.join("\n")
}
