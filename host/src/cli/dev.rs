//! `applet dev`: a project, running, and again whenever a file is saved.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Place;
use super::serve::or_warn;
use crate::config::Config;
use crate::dev::door::{Current, Door};
use crate::dev::reload::{Reloaded, Reloader};
use crate::dev::{Stage, listening, tell_sights};
use crate::logs::LogDoor;
use crate::opening::told;
use crate::output::{CommandError, Output};
use crate::project::Project;
use crate::project::sources::Sources;
use crate::record::{Folder, Order, Taken};
use crate::shutdown;

/// Between two looks at the sources.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Recordings that are kept.
const KEPT: usize = 100;

/// Runs a project: builds it, installs it for the demo's two tenants on a private PostgreSQL, serves its hooks,
/// and does so again whenever a file is saved. Shows every request with its statements as they ran, and what
/// to change where one was refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet dev
  applet dev --listen 127.0.0.1:9000
  applet dev --reset                                   begin with new tables
  applet dev --record                                  keep each request for `applet replay`
  curl -d '{\"body\": \"Call Anna\"}' http://127.0.0.1:8080/alder/add
  applet --json dev | jq 'select(.event == \"request\").statements[].rewritten'

The tenants are `alder` and `birch`, with the demo's CRM tables; tests/seed.sql makes others, at
every start. All permissions that the manifest asks for are granted. The database is in
.applet/dev and is kept between runs.")]
pub(crate) struct Dev {
    /// The project's folder, or one inside it.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Begin with a new database.
    #[arg(long)]
    reset: bool,
    /// Keep a recording of each request in .applet/recordings, the last 100 of them, for `applet replay`.
    #[arg(long)]
    record: bool,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

impl Dev {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let project = Project::find(self.dir.as_deref())?;
        let limits = Config::load(self.config.as_deref())?.limits;
        let directory = project.dev_directory();
        if self.reset {
            reset(&directory)?;
        }
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(|error| {
                CommandError::usage(format!(
                    "cannot listen on {}: {error}; --listen names another address, and 127.0.0.1:0 takes any port",
                    self.listen
                ))
            })?;
        let key = Place { data_dir: Some(directory.clone()), ..Place::default() }.token_key()?;
        output.progress("a private PostgreSQL with two tenants, `alder` and `birch`");
        let stage = Stage::open(directory.clone(), project.seed()?, output).await?;
        let _following = stage.service.follow();
        if self.record {
            tokio::spawn(keep_all(
                stage.host.recorder.order(Order::everything()),
                project.recordings(),
                output,
            ));
        }
        let logs = or_warn(
            "logs",
            LogDoor::open(&directory, stage.seen.lines.clone()).map_err(CommandError::from),
            output,
        );
        let current = Current::default();
        let (stop, stopped) = watch::channel(false);
        let address = listener.local_addr().map_err(told)?;
        let door = Door {
            service: stage.service.clone(),
            seen: stage.seen.clone(),
            key,
            current: current.clone(),
            output,
        };
        let serving = tokio::spawn(door.serve(listener, stopped));
        let work = Work { root: project.root().to_owned(), current, address, output };
        tokio::select! {
            () = shutdown::requested() => {}
            never = work.go_on(Reloader::new(project, limits), &stage) => match never {},
        }
        drop(logs);
        stop.send_replace(true);
        let served = serving.await.map_err(told)?;
        stage.close().await?;
        served?;
        output.result(&json!({ "event": "stopped" }), "stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// What goes on until somebody stops it.
struct Work {
    root: PathBuf,
    current: Current,
    address: SocketAddr,
    output: Output,
}

impl Work {
    async fn go_on(&self, mut reloader: Reloader, stage: &Stage) -> Infallible {
        let output = self.output;
        let mut known = Sources::look(&self.root);
        output.result(&json!({ "event": "building" }), "building");
        let mut hooks = None;
        loop {
            match reloader.reload(stage, output).await {
                Ok(Some(reloaded)) => self.tell(&reloaded),
                Ok(None) => output.result(&json!({ "event": "unchanged" }), "nothing has changed"),
                Err(error) => self.tell_failure(&error, reloader.running().is_some()),
            }
            self.current.set(reloader.running().map(|running| running.manifest.clone()));
            // Said again whenever there are others to call.
            let now = reloader.running().map(crate::dev::reload::Running::hooks);
            if hooks.is_none() || now != hooks.flatten() {
                listening(output, self.address, reloader.running());
            }
            hooks = Some(now);
            let changed = self.changed(&mut known).await;
            let shown = changed.strip_prefix(&self.root).unwrap_or(&changed).display().to_string();
            output
                .result(&json!({ "event": "changed", "file": shown }), format_args!("\n{shown} has changed"));
        }
    }

    fn tell(&self, reloaded: &Reloaded) {
        let Reloaded { applet, version, built, installed, planned, remarks, sights } = reloaded;
        if !remarks.trim().is_empty() {
            self.output.remark(remarks.trim_end());
        }
        for (tenant, sights) in sights.iter().filter(|(_, sights)| !sights.is_empty()) {
            tell_sights(self.output, tenant, sights);
        }
        let how = if *planned { "approved and installed for both tenants" } else { "takes over" };
        let (built, installed) = (built.as_secs_f64(), installed.as_secs_f64());
        self.output.result(
            &json!({
                "event": "running", "applet": applet, "version": version, "planned": planned,
                "build_ms": built * 1e3, "reload_ms": installed * 1e3,
            }),
            format_args!(
                "{applet} {version} {how} (built in {built:.1} s, ready {:.0} ms later)",
                installed * 1e3
            ),
        );
    }

    fn tell_failure(&self, error: &CommandError, runs: bool) {
        let goes_on = if runs { "\nwhat ran before goes on" } else { "" };
        let told = error.as_json();
        self.output.result(
            &json!({ "event": "failed", "error": told.get("error"), "goes_on": runs }),
            format_args!("{error}{goes_on}"),
        );
    }

    /// Waits until a file has changed, and until nobody is writing any more.
    async fn changed(&self, known: &mut Sources) -> PathBuf {
        loop {
            sleep(LOOK_EVERY).await;
            let now = Sources::look(&self.root);
            let Some(changed) = now.changed_since(known).map(Path::to_owned) else { continue };
            let mut last = now;
            loop {
                sleep(LOOK_EVERY / 3).await;
                let next = Sources::look(&self.root);
                if next == last {
                    break;
                }
                last = next;
            }
            *known = last;
            return changed;
        }
    }
}

/// Writes recordings as they come.
async fn keep_all(mut taken: Receiver<Taken>, folder: PathBuf, output: Output) {
    while let Some(taken) = taken.recv().await {
        let kept = match taken {
            Ok(recording) => Folder::open(folder.clone()).and_then(|folder| folder.put(&recording, KEPT)),
            Err(why) => Err(CommandError::refused("not-recorded", format!("not recorded: {why}"))),
        };
        match kept {
            Ok(file) => {
                let told = json!({ "event": "recorded", "file": file });
                output.result(&told, format_args!("  recorded in {}", file.display()));
            }
            Err(error) => output.error(&error),
        }
    }
}

/// Removes the database of a project that nobody runs.
fn reset(directory: &Path) -> Result<(), CommandError> {
    let running = applet_datasource::embedded::Postgres::attach(Some(directory)).is_ok();
    if running {
        return Err(CommandError::usage("`applet dev` runs here already: stop it first"));
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CommandError::usage(format!("cannot remove `{}`: {error}", directory.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
