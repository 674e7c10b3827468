//! Servers that a killed host, or a kill of the server itself, left behind in our data directory.
//!
//! *Invariant:* called only under the host's lock, so whatever runs here belongs to no living host.
//! `postmaster.pid` is removed only when no process works in the directory any more: it is PostgreSQL's
//! own guard against two servers on the same files.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::EmbeddedError;

const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(50);

/// Ends what is left, and clears the way for a new server.
pub(super) fn clear(data: &Path) -> Result<(), EmbeddedError> {
    if !Path::new("/proc/self/stat").exists() {
        return Ok(());
    }
    let lock = data.join("postmaster.pid");
    let postmaster =
        std::fs::read_to_string(&lock).ok().and_then(|text| text.lines().next()?.trim().parse().ok());
    let start = Instant::now();
    let mut asked = false;
    while let Some(pid) = alive(data).into_iter().min() {
        if start.elapsed() > PATIENCE {
            return Err(EmbeddedError::Leftover { directory: data.to_owned(), pid });
        }
        // Backends whose postmaster was killed notice by themselves and end.
        if !asked && let Some(postmaster) = postmaster.and_then(Pid::from_raw) {
            tracing::warn!(
                pid = postmaster.as_raw_nonzero().get(),
                "stopping a PostgreSQL that was left behind"
            );
            if kill_process(postmaster, Signal::INT).is_err() {
                tracing::debug!("the PostgreSQL that was left behind has ended already");
            }
            asked = true;
        }
        std::thread::sleep(STEP);
    }
    // Its process is gone or a zombie that nobody reaps; a zombie would keep the new server out.
    match std::fs::remove_file(&lock) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EmbeddedError::io("remove", &lock)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Processes named `postgres` that work in the data directory (a server changes into it and stays there).
/// A zombie has no directory any more, so it does not count.
fn alive(data: &Path) -> Vec<i32> {
    let Ok(data) = std::fs::canonicalize(data) else { return Vec::new() };
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| is_server(*pid, &data))
        .collect()
}

fn is_server(pid: i32, data: &Path) -> bool {
    let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).ok();
    let is_postgres = |program: &Path| {
        // After an upgrade of the package the link says `postgres (deleted)`.
        program.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("postgres"))
    };
    link("cwd").is_some_and(|folder| folder == data)
        && link("exe").is_some_and(|program| is_postgres(&program))
}
