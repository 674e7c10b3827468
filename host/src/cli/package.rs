//! `applet package`: manifest, component and assets in one file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::check;
use crate::config::Config;
use crate::output::{CommandError, Output};
use crate::packages::{self, Packed, write_file};

/// Packs a manifest, a component and the files that the manifest lists into one `.applet` file. The same
/// content is the same bytes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet package --manifest manifest.yaml \\
    --component target/wasm32-wasip2/release/ai_chat.wasm -o ai-chat.applet

A core module for wasm32-wasip1 with our world embedded is wrapped into a component. Files that
the manifest lists under `assets` are read from its folder. See host/docs/packages.md.")]
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
        let text = fs::read_to_string(&self.manifest).map_err(crate::opening::told)?;
        let folder = match self.manifest.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        let Packed { bytes, digest } = packages::pack(folder, &manifest, &text, &component, &limits)?;
        write_file(&self.output, &bytes)?;
        let shown = self.output.display();
        output.result(
            &json!({ "ok": true, "id": manifest.id(), "version": manifest.version(), "file": self.output,
                     "bytes": bytes.len(), "digest": format!("sha256:{digest}") }),
            format_args!(
                "{} {}: {shown} ({} KiB)\ndigest sha256:{digest}",
                manifest.id(),
                manifest.version(),
                bytes.len() >> 10
            ),
        );
        Ok(ExitCode::SUCCESS)
    }
}
