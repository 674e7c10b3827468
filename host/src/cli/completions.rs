//! `applet completions`: what a shell has to know to complete commands.

use std::io;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::output::CommandError;

/// Prints the script with which a shell completes this program's commands and options.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(applet completions bash)                                       # in ~/.bashrc
  applet completions zsh > \"${fpath[1]}/_applet\"
  applet completions fish > ~/.config/fish/completions/applet.fish")]
pub(crate) struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<ExitCode, CommandError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "applet", &mut script);
        // A reader that went away (`applet … | head`) is no error.
        let _closed = io::Write::write_all(&mut io::stdout(), &script);
        Ok(ExitCode::SUCCESS)
    }
}
