//! `applet types`: declarations for the TypeScript SDK.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use applet_catalog::Catalog;
use applet_manifest::ValidatedManifest;
use clap::Args;
use serde_json::json;

use super::Place;
use super::check::load;
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::opening::{Purpose, catalog_options, read_catalog};
use crate::output::{CommandError, Output};
use crate::typescript::declarations;

/// Prints TypeScript declarations of the tables and columns that a manifest asks for. Its own tables are
/// declared by the manifest; for those of the platform, a database says what their columns are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet types
  applet types manifest.yaml --out src/database.ts
  applet types --data-dir .applet/data --out src/database.ts
  applet types --database-url postgres://postgres@localhost/crm --out src/database.ts
  applet types --exact --out src/database.ts        for createSdk({ exact: true })

In the applet: import type { Database } from \"./database.js\"; const sdk = createSdk<Database>();")]
pub(crate) struct Types {
    /// The manifest.
    #[arg(default_value = "manifest.yaml", value_name = "FILE")]
    manifest: PathBuf,
    /// Write here instead of printing.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// For an SDK with exact values: bigint for 64 bit integers, text for decimals.
    #[arg(long)]
    exact: bool,
    #[command(flatten)]
    place: Place,
}

impl Types {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let config = self.place.configuration()?;
        let manifest = load(&self.manifest, &config.limits)?;
        let catalog = self.catalog(&config).await?;
        tell_unknown(&manifest, catalog.as_ref(), output);
        let text = declarations(&manifest, catalog.as_ref(), self.exact);
        match &self.out {
            None => output.result(&json!({ "ok": true, "declarations": text }), text.trim_end()),
            Some(file) => {
                write(file, &text)?;
                let name = file.display();
                output.result(&json!({ "ok": true, "file": file }), format_args!("{name} is written"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What the database looks like, if the command was told of one: nothing is started or changed in it.
    async fn catalog(&self, config: &Config) -> Result<Option<Catalog>, CommandError> {
        match (&config.place.database_url, &config.place.data_dir) {
            (None, None) => Ok(None),
            (Some(url), _) => {
                let endpoint = Endpoint::parse(url, config.security.insecure_transport)?;
                endpoint.probe().await?;
                Ok(Some(read_catalog(endpoint.url(), &catalog_options(config)).await?))
            }
            (None, Some(_)) => {
                // Declarations are printed: nothing else may stand between them.
                let host = self.place.open(Purpose::default(), Output::new(true)).await?;
                let catalog = read_catalog(&host.admin_url, &host.catalog).await;
                host.close().await?;
                Ok(Some(catalog?))
            }
        }
    }
}

/// Tables of which nothing is known beside their names.
fn tell_unknown(manifest: &ValidatedManifest, catalog: Option<&Catalog>, output: Output) {
    let grants = manifest.declared();
    let unknown = grants.tables().map(|(name, _)| name).filter(|name| {
        manifest.own_table(name).is_none() && catalog.is_none_or(|catalog| catalog.table(name).is_none())
    });
    let names: Vec<String> = unknown.map(|name| format!("`{name}`")).collect();
    if !names.is_empty() {
        let reason = match catalog {
            None => "name a database with --database-url or --data-dir to have their columns declared",
            Some(_) => "the database has no such tables",
        };
        output.warning(format_args!("columns of {} are not known: {reason}", names.join(", ")));
    }
}

fn write(file: &Path, text: &str) -> Result<(), CommandError> {
    let failed =
        |error: std::io::Error| CommandError::usage(format!("cannot write `{}`: {error}", file.display()));
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(file, text).map_err(failed)
}
