//! How commands reach registries.

use std::path::PathBuf;

use applet_package::Reference;
use applet_registry::{Access, Pulled, Registry};
use clap::Args;
use clap::builder::BoolishValueParser;

use super::{credentials, refused};
use crate::cli::INSECURE_TRANSPORT;
use crate::config::Config;
use crate::output::CommandError;

/// Who we are to a registry.
#[derive(Debug, Clone, Args)]
pub(crate) struct RegistryArgs {
    /// A user of the registry, with the password on standard input [default: what ~/.docker/config.json says].
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    username: Option<String>,
    /// Read the user's password, or a token, from standard input.
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// The certificate of the authority that the registry proves itself by [default: those that this machine
    /// trusts].
    #[arg(long, value_name = "FILE")]
    root_cert: Option<PathBuf>,
}

/// The same with a flag of its own for plain text: for commands that reach nothing but registries.
#[derive(Debug, Clone, Args)]
pub(crate) struct Insecure {
    /// Speak with the registry in plain text. Registries on this machine are always spoken with so.
    #[arg(long, env = INSECURE_TRANSPORT, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    insecure_transport: Option<bool>,
}

impl Insecure {
    /// What was said here, or else in the configuration.
    pub(crate) fn or(&self, config: &Config) -> bool {
        self.insecure_transport.unwrap_or(config.security.insecure_transport)
    }
}

impl RegistryArgs {
    /// The registry of a reference.
    pub(crate) fn open(&self, reference: &Reference, insecure: bool) -> Result<Registry, CommandError> {
        let credentials = match &self.username {
            Some(username) => Some(credentials::from_input(username)?),
            None => credentials::written_down(reference.repository().registry())?,
        };
        let access = Access { credentials, root_certificates: self.root_cert.clone(), insecure };
        Registry::new(reference.repository(), &access).map_err(|error| refused(&error))
    }

    /// Gets a package of at most `most` bytes.
    pub(crate) async fn pull(
        &self,
        reference: &Reference,
        insecure: bool,
        most: usize,
    ) -> Result<Pulled, CommandError> {
        let registry = self.open(reference, insecure)?;
        registry.pull(reference, most).await.map_err(|error| refused(&error))
    }
}
