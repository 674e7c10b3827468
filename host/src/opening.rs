//! Hosts, as commands open them: put together from flags, environment and file by `applet-wiring`.

use std::path::PathBuf;

use applet_api::token::TokenKey;
use applet_lifecycle::Faults;
use applet_wiring::{Compiler, HostError, Notice, Opening, Script, Teller, directory_of, secret_file};

pub(crate) use applet_wiring::{Host, Workbench, catalog_options, private_folder, read_catalog, redis};

use crate::cli::Place;
use crate::demo_data;
use crate::output::{CommandError, Output};

/// What a host is started for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Purpose {
    /// Gives up surviving a power failure for speed; for the demo.
    pub(crate) fast: bool,
    /// Serves others: a server with known holes is refused unless `allow_unpatched`, and so are roles that
    /// no wall binds.
    pub(crate) serves: bool,
    /// Serve on a server with known holes all the same.
    pub(crate) allow_unpatched: bool,
    /// Creates the demo's tables and tenants.
    pub(crate) demo_data: bool,
}

impl Place {
    /// Puts a host together.
    pub(crate) async fn open(&self, purpose: Purpose, output: Output) -> Result<Host, CommandError> {
        self.open_with(purpose, None, None, output).await
    }

    /// The same, with what a developer brings along: somebody who watches, and a script that makes tables of the
    /// platform.
    pub(crate) async fn open_with(
        &self,
        purpose: Purpose,
        bench: Option<Workbench>,
        seed: Option<String>,
        output: Output,
    ) -> Result<Host, CommandError> {
        let config = self.configuration()?;
        let Purpose { fast, serves, allow_unpatched, demo_data } = purpose;
        let mut scripts = if demo_data { demo_data::tables() } else { Vec::new() };
        scripts.extend(seed.map(|sql| Script { name: "tests/seed.sql".to_owned(), sql }));
        let compiler = Compiler::this_program()
            .map_err(|_| CommandError::usage("this process was started to compile a component"))?;
        let host = Host::open(Opening {
            config: &config,
            purpose: applet_wiring::Purpose { fast, serves, allow_unpatched },
            compiler: &compiler,
            scripts: &scripts,
            bench,
            faults: Faults::from_environment().map_err(told)?,
            teller: &output.into(),
        })
        .await?;
        if demo_data {
            demo_data::load_workspaces(host.lifecycle.store()).await?;
        }
        Ok(host)
    }

    /// Where keys, compiled components and the private PostgreSQL are.
    pub(crate) fn directory(&self) -> Result<PathBuf, CommandError> {
        Ok(directory_of(&self.configuration()?.place))
    }

    /// The key that tokens are signed with; made on first use.
    pub(crate) fn token_key(&self) -> Result<TokenKey, CommandError> {
        let directory = self.directory()?;
        let text = secret_file(&directory, "token.key", || TokenKey::generate().to_hex())?;
        TokenKey::from_hex(&text).map_err(|_| {
            CommandError::usage(format!("`{}` is not a token key", directory.join("token.key").display()))
        })
    }
}

impl From<Output> for Teller {
    fn from(output: Output) -> Self {
        Self::new(move |notice| match notice {
            Notice::Warning(text) => output.warning(text),
            Notice::Progress(text) => output.progress(format_args!("  {text}")),
        })
    }
}

impl From<HostError> for CommandError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Refused { code, message } => Self::Refused { code, message },
            HostError::Usage(text) => Self::Usage(text),
        }
    }
}

/// Errors of set-up are for the operator, who sits at this terminal.
pub(crate) fn told(error: impl std::fmt::Display) -> CommandError {
    CommandError::usage(error.to_string())
}
