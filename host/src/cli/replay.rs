//! `applet replay`: a recorded call, run again by another build, without a database.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use applet_datasource::embedded::usual_directory;
use applet_recording::{Comparison, Head, Paint, Recording, Rules};
use applet_runtime::{RuntimeLimits, package};
use applet_types::{AppletId, ComponentDigest, Grants};
use chrono::Utc;
use clap::Args;
use serde_json::json;

use crate::config::{Config, LimitsConfig};
use crate::output::{CommandError, Output};
use crate::packages::read_file;
use crate::project::Project;
use crate::project::compile::compile;
use crate::record::is_expired;
use crate::replay::Stage;

/// Runs recorded calls again with another build, and shows what differs: statements, log and answer.
///
/// The build runs in the real runtime behind the real gate, with the time and chance of the recording; the database
/// is the recording, and no other is touched.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet dev --record                          each request is kept in .applet/recordings
  applet invoke notes list --workspace … --record list.jsonl
  applet replay list.jsonl                     in the applet's folder: builds it, and compares
  applet replay list.jsonl --component old.wasm
  applet replay .applet/recordings/*           all of them, with one build
  applet --json replay list.jsonl | jq '.database[] | select(.change != \"same\")'

A question that the recording has an answer to gets it, wherever it is asked now; the replay ends at
the first one that it has none for. With --strict it ends at the first difference.
Exit code 0: the same. 1: it differs. 2: it could not be compared.")]
pub(crate) struct Replay {
    /// The recordings.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The component to run [default: the project's, built now].
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// The project's folder, or one inside it [default: this one].
    #[arg(long, value_name = "DIR", conflicts_with = "component")]
    project: Option<PathBuf>,
    /// End at the first difference.
    #[arg(long)]
    strict: bool,
    /// Judge statements by what was granted when it was recorded, and not by what the project's manifest asks for.
    #[arg(long)]
    recorded_grants: bool,
    /// Where what is compiled of a component is kept; a project keeps its own.
    #[arg(long, env = "APPLET_DATA", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

/// What to run.
struct Build {
    component: Vec<u8>,
    digest: ComponentDigest,
    /// The applet that it is, and what it asks for, if a manifest says so.
    asks: Option<(AppletId, Arc<Grants>)>,
    /// Where what is compiled of it is kept.
    directory: PathBuf,
}

impl Replay {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        match self.replayed(output).await {
            Ok(true) => Ok(ExitCode::SUCCESS),
            Ok(false) => Ok(ExitCode::from(1)),
            Err(error) => {
                // 1 says that something differs, which nobody knows.
                output.error(&error);
                Ok(ExitCode::from(2))
            }
        }
    }

    /// Whether all of them came out the same.
    async fn replayed(&self, output: Output) -> Result<bool, CommandError> {
        let limits = Config::load(self.config.as_deref())?.limits;
        // What cannot be read is told before anything is built for it.
        let recordings = self.files.iter().map(|file| recording(file)).collect::<Result<Vec<_>, _>>()?;
        let build = match &self.component {
            Some(component) => self.build_of_file(component, &limits)?,
            None => self.build_of_project(&limits, output).await?,
        };
        let mut same = true;
        for (file, recording) in self.files.iter().zip(recordings) {
            same &= self.one(file, recording, &build, &limits, output).await?;
        }
        Ok(same)
    }

    async fn one(
        &self,
        file: &Path,
        recording: Recording,
        build: &Build,
        limits: &LimitsConfig,
        output: Output,
    ) -> Result<bool, CommandError> {
        let head = recording.head.clone();
        let recorded = Arc::new(head.grants.clone());
        let grants = match &build.asks {
            Some((applet, _)) if *applet != head.applet => {
                let why = format!(
                    "`{}` is a recording of `{}`, and this is `{applet}`",
                    file.display(),
                    head.applet
                );
                return Err(CommandError::refused("another-applet", why));
            }
            Some((_, asked)) if !self.recorded_grants => Arc::clone(asked),
            Some(_) | None => Arc::clone(&recorded),
        };
        let which = if build.digest == head.component { "the recorded build" } else { "another build" };
        let at = head.recorded_at.format("%Y-%m-%d %H:%M:%S UTC");
        let (hook, applet, version) = (&head.hook, &head.applet, &head.version);
        output
            .progress(format_args!("replaying `{hook}` of {applet} {version}, recorded {at}, with {which}"));
        if grants.digest() != recorded.digest() {
            output.progress("  judged by what manifest.yaml asks for, which is not what was granted then");
        }
        let rules = if self.strict { Rules::Strict } else { Rules::ByContent };
        let runtime = RuntimeLimits::new(&limits.host, &limits.component);
        let stage = Stage { recording, rules, grants, limits: runtime };
        let comparison = stage.play(&build.component, &build.directory).await?;
        tell(&comparison, file, &head, build.digest, output);
        Ok(comparison.same)
    }

    fn build_of_file(&self, file: &Path, limits: &LimitsConfig) -> Result<Build, CommandError> {
        let bytes = read_file(file, limits.component.component_bytes)?;
        let component =
            package::componentize(bytes).map_err(|error| CommandError::usage(error.to_string()))?;
        let digest = ComponentDigest::of(&component);
        let directory = self.data_dir.clone().unwrap_or_else(usual_directory);
        Ok(Build { component, digest, asks: None, directory })
    }

    async fn build_of_project(&self, limits: &LimitsConfig, output: Output) -> Result<Build, CommandError> {
        let project = Project::find(self.project.as_deref())?;
        let manifest = project.manifest(limits)?;
        let (id, version) = (manifest.valid.id(), manifest.valid.version());
        output.progress(format_args!("building {id} {version}"));
        let component = compile(&project, &manifest.valid, output).await?.component;
        let digest = ComponentDigest::of(&component);
        let asks = Some((id.clone(), Arc::new(manifest.valid.requested())));
        Ok(Build { component, digest, asks, directory: project.state() })
    }
}

fn recording(file: &Path) -> Result<Recording, CommandError> {
    let bytes = bounded(file, applet_recording::MOST_BYTES)?;
    let name = file.display();
    let recording = Recording::from_bytes(&bytes)
        .map_err(|fault| CommandError::refused(fault.code(), format!("`{name}`: {fault}")))?;
    if is_expired(&recording.head, Utc::now()) {
        let why = format!("`{name}` was to be kept for a while, and that is over: delete it");
        return Err(CommandError::refused("recording-expired", why));
    }
    Ok(recording)
}

/// Reads no more than a recording may have: the name may be that of a pipe or a device.
fn bounded(file: &Path, most: usize) -> Result<Vec<u8>, CommandError> {
    use std::io::Read as _;

    let name = file.display();
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|opened| opened.take(most as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| CommandError::usage(format!("cannot read `{name}`: {error}")))?;
    Ok(bytes)
}

fn tell(comparison: &Comparison, file: &Path, head: &Head, component: ComponentDigest, output: Output) {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let paint = if colours { Paint::Colours } else { Paint::Plain };
    let mut value = serde_json::to_value(comparison).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("file".to_owned(), json!(file));
        object.insert("applet".to_owned(), json!(head.applet));
        object.insert("hook".to_owned(), json!(head.hook));
        object.insert("request".to_owned(), json!(head.request));
        object.insert("component".to_owned(), json!({ "recorded": head.component, "replayed": component }));
    }
    output.result(&value, comparison.to_text(paint));
}
