//! `applet build`: a project, as one file to submit.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::config::Config;
use crate::output::{CommandError, Output};
use crate::packages::{Packed, write_file};
use crate::project::Project;
use crate::project::compile::compile;

/// Builds a project with its language's own tools, checks its manifest, and packs both into one file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet build
  applet build ~/applets/invoice-reminder
  applet submit target/invoice-reminder-0.1.0.applet

The language is told by the project's files: Cargo.toml, package.json, pyproject.toml, go.mod, or
a Makefile or build.sh that leaves a component in target/ or dist/.")]
pub(crate) struct Build {
    /// The project's folder, or one inside it.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The package to write [default: target/ID-VERSION.applet].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

impl Build {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let limits = Config::load(self.config.as_deref())?.limits;
        let project = Project::find(self.dir.as_deref())?;
        let manifest = project.manifest(&limits)?;
        let (id, version) = (manifest.valid.id(), manifest.valid.version());
        output.progress(format_args!("building {id} {version} ({})", project.language().as_str()));
        let compiled = compile(&project, &manifest.valid, output).await?;
        if !compiled.remarks.trim().is_empty() {
            output.remark(compiled.remarks.trim_end());
        }
        let (component, seconds) = (compiled.component.len(), compiled.took.as_secs_f64());
        let Packed { bytes, digest } = project.pack(&manifest, &compiled.component, &limits)?;
        let file = self.output.unwrap_or_else(|| project.package_file(&manifest.valid));
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| {
                CommandError::usage(format!("cannot make `{}`: {error}", folder.display()))
            })?;
        }
        write_file(&file, &bytes)?;
        let size = bytes.len();
        output.result(
            &json!({
                "ok": true, "id": id, "version": version, "file": file, "bytes": size,
                "component_bytes": component, "digest": format!("sha256:{digest}"), "seconds": seconds,
            }),
            format_args!("{}: {} KiB, built in {seconds:.1} s", file.display(), size >> 10),
        );
        Ok(ExitCode::SUCCESS)
    }
}
