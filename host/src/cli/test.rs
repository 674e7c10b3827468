//! `applet test`: a project's own tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use applet_types::ComponentDigest;
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc::Receiver;

use super::open_to_server;
use crate::config::Config;
use crate::demo_data::TENANTS;
use crate::dev::Stage;
use crate::opening::{private_folder, told};
use crate::output::{CommandError, Output};
use crate::project::compile::compile;
use crate::project::{Manifest, Project};
use crate::record::{Folder, Order, Taken};
use crate::shutdown;
use crate::trial::{self, Case, CoverageLine, Leak, Trial, Verdict};

/// Runs the tests of a project (tests/*.yaml) on a PostgreSQL of their own, each from the same rows, and calls
/// every hook for the other tenant as well: what that one sees must not move with the first one's rows.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet test
  applet test --only 'empty note'
  applet test --record calls                for `applet replay`
  applet --json test | jq '.coverage[] | select(.used | not)'

A file of tests:
  - name: a note that was added is listed
    tenant: alder                         # or birch
    steps:
      - { hook: add, payload: { body: Call Anna } }
      - hook: list
        matches: [{ body: Call Anna }]    # in part; `answer: …` is the whole answer
  - name: an empty note is refused
    hook: add
    payload: { body: \"\" }
    error: empty-note

The tables are the demo's and the applet's own, as they are after its install; tests/seed.sql
makes others. Exit code 1: a test failed, or a tenant saw another's rows.")]
pub(crate) struct Test {
    /// The project's folder, or one inside it.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only tests with this in their name or file.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Keep a recording of each call that a test makes in this folder, for `applet replay`.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Leave the other tenant out.
    #[arg(long)]
    no_twin: bool,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

/// Everything that was found.
#[derive(Default)]
struct Findings {
    verdicts: Vec<Verdict>,
    leaks: Vec<Leak>,
    coverage: Vec<CoverageLine>,
}

impl Test {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        // Stopped in the middle, it takes its database along.
        tokio::select! {
            code = self.tested(output) => code,
            () = shutdown::requested() => Err(CommandError::refused("stopped", "stopped before the tests were over")),
        }
    }

    async fn tested(&self, output: Output) -> Result<ExitCode, CommandError> {
        let began = Instant::now();
        let limits = Config::load(self.config.as_deref())?.limits;
        let project = Project::find(self.dir.as_deref())?;
        let manifest = project.manifest(&limits)?;
        let cases = trial::load(project.root(), &manifest.valid, self.only.as_deref())?;
        let (id, version) = (manifest.valid.id(), manifest.valid.version());
        output.progress(format_args!("building {id} {version}"));
        let compiled = compile(&project, &manifest.valid, output).await?;
        let packed = project.pack(&manifest, &compiled.component, &limits)?;
        let folder = tempfile::Builder::new().prefix("applet-test-").tempdir().map_err(told)?;
        open_to_server(folder.path())?;
        let directory = folder.path().join("host");
        share_compiled(&project, &directory)?;
        let stage = Stage::open(directory, project.seed()?, output).await?;
        let component = ComponentDigest::of(&compiled.component);
        let findings = self.findings(&stage, &manifest, &packed.bytes, component, &cases, output).await;
        stage.close().await?;
        let findings = findings?;
        self.tell(&findings, began, output);
        let good = findings.leaks.is_empty() && findings.verdicts.iter().all(|verdict| verdict.ok);
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    async fn findings(
        &self,
        stage: &Stage,
        manifest: &Manifest,
        package: &[u8],
        component: ComponentDigest,
        cases: &[Case],
        output: Output,
    ) -> Result<Findings, CommandError> {
        let (id, version) = (manifest.valid.id(), manifest.valid.version());
        stage.submit(package).await?;
        for tenant in &TENANTS {
            stage.install(tenant, id, version).await?;
        }
        let mut trial = Trial::begin(stage, manifest, component).await?;
        let mut findings = Findings::default();
        let folder = self.record.clone().map(Folder::open).transpose()?;
        let mut ordered = folder.as_ref().map(|_| stage.host.recorder.order(Order::everything()));
        for case in cases {
            let verdict = trial.run(case).await?;
            if let (Some(folder), Some(ordered)) = (&folder, &mut ordered) {
                keep(folder, ordered)?;
            }
            output.progress(told_verdict(&verdict));
            findings.verdicts.push(verdict);
        }
        drop(ordered);
        if !self.no_twin {
            output.progress("the same hooks for the other tenant, with the first one's rows changed");
            for case in cases {
                findings.leaks.extend(trial.twin(case).await?);
            }
        }
        findings.coverage = trial.end().await?.lines();
        Ok(findings)
    }

    fn tell(&self, findings: &Findings, began: Instant, output: Output) {
        let Findings { verdicts, leaks, coverage } = findings;
        let passed = verdicts.iter().filter(|verdict| verdict.ok).count();
        let mut text = String::new();
        for leak in leaks {
            let (mark, how) = if leak.seen {
                ("LEAK", format!("{} can see that {}'s rows changed", leak.seen_by, leak.changed))
            } else {
                ("FAIL", format!("nothing is proven of what {} can see", leak.seen_by))
            };
            text.push_str(&format!("  {mark}  {}: {how}\n          {}\n", leak.name, leak.what));
        }
        text.push_str(&told_coverage(coverage));
        let twin = match (self.no_twin, leaks.len()) {
            (true, _) => "the other tenant was left out".to_owned(),
            (false, 0) => "no tenant saw another's rows".to_owned(),
            (false, _) => match leaks.iter().filter(|leak| leak.seen).count() {
                0 => "it is not known whether a tenant saw another's rows".to_owned(),
                count => format!("{count} times a tenant saw another's rows"),
            },
        };
        let seconds = began.elapsed().as_secs_f64();
        text.push_str(&format!("{passed} of {} tests passed, {twin} ({seconds:.1} s)", verdicts.len()));
        output.result(
            &json!({
                "ok": passed == verdicts.len() && leaks.is_empty(),
                "tests": verdicts, "twin": { "ran": !self.no_twin, "leaks": leaks }, "coverage": coverage,
                "seconds": seconds,
            }),
            text,
        );
    }
}

/// Writes what a test's calls have left. A test of more calls than wait is kept in part.
fn keep(folder: &Folder, taken: &mut Receiver<Taken>) -> Result<(), CommandError> {
    while let Ok(taken) = taken.try_recv() {
        let recording =
            taken.map_err(|why| CommandError::refused("not-recorded", format!("not recorded: {why}")))?;
        folder.put(&recording, usize::MAX)?;
    }
    Ok(())
}

/// What was compiled for a project is kept in it: for Python, that takes longer than all its tests.
fn share_compiled(project: &Project, directory: &Path) -> Result<(), CommandError> {
    let kept = project.state().join("components");
    private_folder(&kept)?;
    private_folder(directory)?;
    std::os::unix::fs::symlink(&kept, directory.join("components")).map_err(told)?;
    fs::metadata(directory.join("components")).map(drop).map_err(told)
}

fn told_verdict(verdict: &Verdict) -> String {
    let mark = if verdict.ok { "ok  " } else { "FAIL" };
    let mut text = format!("  {mark}  {} ({:.0} ms)", verdict.name, verdict.ms);
    for failure in &verdict.failures {
        text.push_str(&format!("\n          {failure}"));
    }
    for line in verdict.log.iter().filter(|_| !verdict.ok) {
        text.push_str(&format!("\n          log: {line}"));
    }
    text
}

fn told_coverage(coverage: &[CoverageLine]) -> String {
    let lines: Vec<String> = coverage
        .iter()
        .filter_map(|line| match (line.used, line.unused_columns.as_slice()) {
            (false, _) => Some(format!("  {:<7} {}\n", line.operation, line.table)),
            (true, []) => None,
            (true, columns) => {
                Some(format!("  {:<7} {}, columns {}\n", line.operation, line.table, columns.join(", ")))
            }
        })
        .collect();
    if lines.is_empty() {
        return "every permission is used by a test\n".to_owned();
    }
    format!("permissions that no test used\n{}", lines.concat())
}
