//! A manifest, its component and the files that it lists, put together.

use std::path::Path;

use applet_manifest::ValidatedManifest;
use applet_package::{AppletDigest, Asset, Package};
use applet_types::AssetPath;

use super::{faulty, limits, read_file};
use crate::config::LimitsConfig;
use crate::output::CommandError;

/// A package file, and what it is known by.
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: AppletDigest,
}

/// Packs a manifest, of which `text` is the text, and what it lists from its `folder`.
pub(crate) fn pack(
    folder: &Path,
    manifest: &ValidatedManifest,
    text: &str,
    component: &[u8],
    host: &LimitsConfig,
) -> Result<Packed, CommandError> {
    let (limits, name) = (limits(host), manifest.id());
    let files = assets(folder, manifest, limits.package_bytes)?;
    let assets = files.iter().map(|(path, bytes)| Asset { path: path.clone(), bytes }).collect();
    let package = Package::with_assets(text, component, assets).map_err(|fault| faulty(name, &fault))?;
    let bytes = package.to_bytes();
    // Read as a host will: what is packed here is taken there.
    Package::parse(&bytes, &limits).map_err(|fault| faulty(name, &fault))?;
    Ok(Packed { digest: package.digest(), bytes })
}

/// The files that a manifest lists, from its folder.
fn assets(
    folder: &Path,
    manifest: &ValidatedManifest,
    most: usize,
) -> Result<Vec<(AssetPath, Vec<u8>)>, CommandError> {
    if manifest.assets().is_empty() {
        return Ok(Vec::new());
    }
    let folder = folder.canonicalize().map_err(crate::opening::told)?;
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
