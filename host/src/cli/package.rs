//! `applet package`: a manifest and a component in one file.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::check;
use crate::config::Config;
use crate::output::{CommandError, Output};
use crate::package::PackageFile;

/// Packs a manifest and a component into one `.applet` file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet package --manifest manifest.yaml \\
    --component target/wasm32-wasip2/release/ai_chat.wasm -o ai-chat.applet

A core module for wasm32-wasip1 with our world embedded is wrapped into a component.")]
pub(crate) struct Package {
    /// The manifest.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// The component, or a wasm32-wasip1 module.
    #[arg(long, value_name = "FILE")]
    component: PathBuf,
    /// The package to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

impl Package {
    pub(crate) fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let limits = Config::load(self.config.as_deref())?.limits;
        let manifest = check::load(&self.manifest, &limits)?;
        let name = self.component.display();
        let bytes = fs::read(&self.component)
            .map_err(|error| CommandError::usage(format!("cannot read `{name}`: {error}")))?;
        let component = applet_runtime::package::componentize(bytes)
            .map_err(|error| CommandError::usage(format!("`{name}`: {error}")))?;
        let text = fs::read_to_string(&self.manifest).map_err(crate::wiring::told)?;
        let bytes = PackageFile { manifest: text, component }.to_bytes();
        let most = limits.component.package_bytes;
        if bytes.len() > most {
            return Err(CommandError::usage(format!("the package would have more than {most} bytes")));
        }
        fs::write(&self.output, &bytes).map_err(|error| {
            CommandError::usage(format!("cannot write `{}`: {error}", self.output.display()))
        })?;
        output.result(
            &json!({ "ok": true, "id": manifest.id(), "version": manifest.version(), "file": self.output, "bytes": bytes.len() }),
            format_args!("{} {}: {} ({} KiB)", manifest.id(), manifest.version(), self.output.display(), bytes.len() >> 10),
        );
        Ok(ExitCode::SUCCESS)
    }
}
