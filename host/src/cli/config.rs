//! `applet config`: the configuration in force.

use std::process::ExitCode;

use clap::Args;

use super::Place;
use crate::output::{CommandError, Output};

/// Shows the configuration in force, as a file that would bring it about, with every limit's default and
/// maximum. Passwords are hidden.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet config > applet.yaml             a file to start from
  applet serve --config applet.yaml
  APPLET_LIMITS_HOST_SESSIONS=60 applet config
  applet --json config

Flags count most, then environment variables, then the file, then the defaults. A limit's variable
is its path in upper case: `limits.host.sessions` is APPLET_LIMITS_HOST_SESSIONS.")]
pub(crate) struct ConfigCommand {
    #[command(flatten)]
    place: Place,
}

impl ConfigCommand {
    pub(crate) fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let config = self.place.configuration()?;
        output.result(&config.shown_as_json(), &config);
        Ok(ExitCode::SUCCESS)
    }
}
