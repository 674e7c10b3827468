//! `applet package`: manifest, component and assets in one file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use applet_manifest::ValidatedManifest;
use applet_package::{Asset, Package as PackageFile};
use applet_types::AssetPath;
use clap::Args;
use serde_json::json;

use super::check;
use crate::config::Config;
use crate::output::{CommandError, Output};
use crate::packages::{self, read_file, write_file};

/// Packs a manifest, a component and the files that the manifest lists into one `.applet` file. The same
/// content is the same bytes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet package --manifest manifest.yaml \\
    --component target/wasm32-wasip2/release/ai_chat.wasm -o ai-chat.applet

A core module for wasm32-wasip1 with our world embedded is wrapped into a component. Files that the manifest
lists under `assets` are read from its folder. See host/docs/packages.md.")]
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
        let limits = packages::limits(&limits);
        let files = assets(&self.manifest, &manifest, limits.package_bytes)?;
        let assets = files.iter().map(|(path, bytes)| Asset { path: path.clone(), bytes }).collect();
        let shown = self.output.display();
        let package = PackageFile::with_assets(&text, &component, assets)
            .map_err(|fault| packages::faulty(&shown, &fault))?;
        let bytes = package.to_bytes();
        // Read as a host will: what is written here is taken there.
        PackageFile::parse(&bytes, &limits).map_err(|fault| packages::faulty(&shown, &fault))?;
        write_file(&self.output, &bytes)?;
        let digest = package.digest();
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

/// The files that a manifest lists, from its folder.
fn assets(
    file: &Path,
    manifest: &ValidatedManifest,
    most: usize,
) -> Result<Vec<(AssetPath, Vec<u8>)>, CommandError> {
    if manifest.assets().is_empty() {
        return Ok(Vec::new());
    }
    let folder =
        file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let folder = folder.canonicalize().map_err(crate::wiring::told)?;
    manifest
        .assets()
        .iter()
        .map(|path| {
            let missing =
                |why: String| CommandError::usage(format!("`{path}`, which the manifest lists: {why}"));
            let found =
                folder.join(path.as_str()).canonicalize().map_err(|error| missing(error.to_string()))?;
            // A link in a project of somebody else's could have whoever packs it publish their own files.
            if !found.starts_with(&folder) {
                return Err(missing("it is a link out of the manifest's folder".to_owned()));
            }
            Ok((path.clone(), read_file(&found, most)?))
        })
        .collect()
}
