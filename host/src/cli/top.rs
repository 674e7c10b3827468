//! `applet top`: what applets are doing at this moment, and what they have left.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use applet_types::{AppletId, TenantId};
use clap::Args;
use serde_json::json;

use super::Place;
use crate::output::{CommandError, Output};
use crate::shutdown;
use crate::top::{Filter, HostReading, View, hosts};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Rows of each list on a terminal.
const SCREENFUL: usize = 30;
/// To the upper left corner, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows what applets are doing at this moment on the hosts that serve from this data directory, each host by
/// itself: calls, refusals, CPU, database time, sessions, circuits, and what rates and budgets have left.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet top                              refreshed each second, until Ctrl-C
  applet top --applet ai-chat --once
  applet --json top --once | jq '.hosts[].installations[] | select(.circuit.state == \"open\")'

refused/s counts calls + statements; sessions are in use + waiting. The data directory decides who
may look: nothing of this is open to tenants. Hosts on other machines are asked there.")]
pub(crate) struct Top {
    #[command(flatten)]
    place: Place,
    /// Look once and end, as is done anyway where nobody watches.
    #[arg(long)]
    once: bool,
    /// Of this tenant only.
    #[arg(long, value_name = "UUID")]
    tenant: Option<TenantId>,
    /// Of this applet only.
    #[arg(long, value_name = "APPLET")]
    applet: Option<AppletId>,
}

impl Top {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let directory = self.place.directory()?;
        let filter = Filter { tenant: self.tenant, applet: self.applet };
        let watched = !self.once && std::io::stdout().is_terminal();
        let mut earlier = look(&directory).await?;
        let stop = shutdown::requested();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = &mut stop => return Ok(ExitCode::SUCCESS),
            }
            let later = look(&directory).await?;
            let mut views = between(&earlier, &later, &filter);
            if watched {
                views.iter_mut().for_each(|view| view.cut(SCREENFUL));
                // A terminal that is gone ends the program by itself.
                let _closed = std::io::stdout().write_all(CLEAR.as_bytes());
            }
            let text = views.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n");
            output.result(&json!({ "hosts": views }), text);
            if !watched {
                return Ok(ExitCode::SUCCESS);
            }
            earlier = later;
        }
    }
}

type Readings = HashMap<PathBuf, HostReading>;

async fn look(directory: &Path) -> Result<Readings, CommandError> {
    let found: Readings = hosts(directory).await.into_iter().collect();
    if found.is_empty() {
        return Err(CommandError::usage(format!(
            "no host serves from `{}`: start one with `applet serve`, or name its --data-dir",
            directory.display()
        )));
    }
    Ok(found)
}

fn between(earlier: &Readings, later: &Readings, filter: &Filter) -> Vec<View> {
    let mut both: Vec<_> =
        later.iter().filter_map(|(socket, reading)| Some((earlier.get(socket)?, reading))).collect();
    both.sort_by_key(|(_, reading)| reading.process);
    both.into_iter().filter_map(|(earlier, later)| View::between(earlier, later, filter)).collect()
}
