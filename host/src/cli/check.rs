//! `applet check`: is this manifest valid?

use std::path::PathBuf;
use std::process::ExitCode;

use applet_manifest::{ValidatedManifest, Violations};
use clap::Args;
use serde_json::json;

use crate::config::{Config, LimitsConfig};
use crate::output::{CommandError, Output};

/// Checks manifests: every violation with its code, path and line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet check manifest.yaml
  applet --json check manifests/*.yaml")]
pub(crate) struct Check {
    /// Manifests to check.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

impl Check {
    pub(crate) fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let limits = Config::load(self.config.as_deref())?.limits;
        let mut code = ExitCode::SUCCESS;
        for file in &self.files {
            let name = file.display();
            let bytes = std::fs::read(file)
                .map_err(|error| CommandError::usage(format!("cannot read `{name}`: {error}")))?;
            match applet_manifest::load_within(&bytes, &limits.manifest, &limits.of_invocations()) {
                Ok(manifest) => output.result(
                    &json!({ "file": file, "ok": true, "id": manifest.id(), "version": manifest.version() }),
                    format_args!("{name}: {} {} is valid", manifest.id(), manifest.version()),
                ),
                Err(violations) => {
                    code = ExitCode::from(1);
                    report(output, file, &violations);
                }
            }
        }
        Ok(code)
    }
}

fn report(output: Output, file: &std::path::Path, violations: &Violations) {
    let name = file.display();
    let count = violations.iter().count();
    output.result(
        &json!({ "file": file, "ok": false, "violations": violations.iter().collect::<Vec<_>>() }),
        format_args!("{name}: {count} {}\n{violations}", if count == 1 { "violation" } else { "violations" }),
    );
}

/// Loads the manifest that a command was given.
pub(crate) fn load(file: &std::path::Path, limits: &LimitsConfig) -> Result<ValidatedManifest, CommandError> {
    let name = file.display();
    let bytes =
        std::fs::read(file).map_err(|error| CommandError::usage(format!("cannot read `{name}`: {error}")))?;
    applet_manifest::load_within(&bytes, &limits.manifest, &limits.of_invocations())
        .map_err(|violations| CommandError::usage(format!("`{name}` is not a valid manifest\n{violations}")))
}
