//! `applet logs`: what applets write to their logs.

use std::path::PathBuf;
use std::process::ExitCode;

use applet_types::{AppletId, TenantId};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::Place;
use crate::logs::{Asked, FOLDER, Level, Line, listen};
use crate::output::{CommandError, Output};
use crate::project::Project;
use crate::shutdown;
use crate::socket;

/// Shows what applets have written to their logs on the hosts that serve from this data directory: the last
/// lines, and with --follow every new one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet logs                           in a project that `applet dev` runs, or where a host serves
  applet logs ai-chat --follow --level warn
  applet --json logs --tenant 11111111-1111-4111-8111-111111111111 | jq .text

A host keeps the last 2,000 lines in memory. All of them are also in its own log, under the target
`applet`: APPLET_LOG=applet=debug applet serve.")]
pub(crate) struct Logs {
    #[command(flatten)]
    place: Place,
    /// Of this applet only.
    #[arg(value_name = "APPLET")]
    applet: Option<AppletId>,
    /// For this tenant only.
    #[arg(long, value_name = "UUID")]
    tenant: Option<TenantId>,
    /// At least this important.
    #[arg(long, value_parser = levels())]
    level: Option<Level>,
    /// The last so many lines.
    #[arg(long, short = 'n', value_name = "LINES", default_value_t = 100)]
    last: usize,
    /// Go on with every new line, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
}

/// The levels, each with what it means.
fn levels() -> impl TypedValueParser<Value = Level> {
    let value = |level: Level| {
        PossibleValue::new(level.as_str()).help(match level {
            Level::Debug => "Details for the developer",
            Level::Info => "What happens normally",
            Level::Warn => "Worth a look",
            Level::Error => "Something failed",
        })
    };
    PossibleValuesParser::new(Level::ALL.map(value)).try_map(|text| text.parse::<Level>())
}

impl Logs {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let directory = self.directory()?;
        let asked = Asked { applet: self.applet, tenant: self.tenant, level: self.level };
        let mut heard = listen(&directory).await.ok_or_else(|| {
            CommandError::usage(format!(
                "no host serves from `{}`: start one with `applet serve` or `applet dev`, or name its --data-dir",
                directory.display()
            ))
        })?;
        let kept: Vec<_> = heard.kept.iter().filter(|line| asked.wants(line)).collect();
        for line in kept.iter().skip(kept.len().saturating_sub(self.last)) {
            show(output, line);
        }
        if !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        let stop = shutdown::requested();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(ExitCode::SUCCESS),
                line = heard.news.recv() => match line {
                    Some(line) if asked.wants(&line) => show(output, &line),
                    Some(_) => {}
                    None => return Ok(ExitCode::SUCCESS),
                },
            }
        }
    }

    /// The project's, if `applet dev` runs it and nobody says otherwise.
    fn directory(&self) -> Result<PathBuf, CommandError> {
        if self.place.data_dir.is_none()
            && let Ok(project) = Project::find(None)
        {
            let directory = project.dev_directory();
            if !socket::all(&directory.join(FOLDER)).is_empty() {
                return Ok(directory);
            }
        }
        self.place.directory()
    }
}

fn show(output: Output, line: &Line) {
    output.result(
        line,
        format_args!(
            "{} {:<5} {} {} {}",
            line.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
            line.level.as_str(),
            line.applet,
            line.tenant,
            line.text
        ),
    );
}
