//! Which files a build depends on, and whether any has changed. Polled: it needs no support of the file
//! system, sees edits made through any mount, and a project is a few dozen files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders that are made, not written; and tests, which no component is built from.
const LEFT_OUT: [&str; 7] = ["target", "dist", "build", "node_modules", "__pycache__", "tests", "venv"];

/// Files looked at; a project with more is told by those.
const MOST_FILES: usize = 10_000;

/// The files at one moment: when each was written, and how long it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Sources {
    /// Looks at a project's files.
    pub(crate) fn look(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(root, &mut files);
        Self(files)
    }

    /// One file that has changed since an earlier look, for people.
    pub(crate) fn changed_since<'a>(&'a self, earlier: &'a Self) -> Option<&'a Path> {
        let changed = self.0.iter().find(|(path, state)| earlier.0.get(*path) != Some(*state));
        let gone = || earlier.0.iter().find(|(path, _)| !self.0.contains_key(*path));
        changed.or_else(gone).map(|(path, _)| path.as_path())
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, (Option<SystemTime>, u64)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Editors write beside the file first: `.lib.rs.swp`, `lib.rs~`, `4913`.
        if name.starts_with('.') || name.ends_with('~') || files.len() >= MOST_FILES {
            continue;
        }
        let (path, Ok(about)) = (entry.path(), entry.metadata()) else { continue };
        if about.is_dir() {
            if !LEFT_OUT.contains(&name.as_ref()) {
                collect(&path, files);
            }
        } else if about.is_file() && !is_made(&path) {
            files.insert(path, (about.modified().ok(), about.len()));
        }
    }
}

/// What tools leave beside sources, and what no component is built from.
fn is_made(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["wasm", "applet", "md", "pyc", "o", "lock"].iter().any(|made| extension == *made)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn f13_edits_are_seen_and_what_builds_leave_behind_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir_all(root.join("target/release")).unwrap();
        fs::write(root.join("src/lib.rs"), "one").unwrap();
        let before = Sources::look(root);

        fs::write(root.join("target/release/a.wasm"), "made").unwrap();
        fs::write(root.join("src/.lib.rs.swp"), "edited").unwrap();
        assert_eq!(Sources::look(root).changed_since(&before), None);

        fs::write(root.join("src/lib.rs"), "another").unwrap();
        let after = Sources::look(root);
        assert_eq!(after.changed_since(&before), Some(root.join("src/lib.rs").as_path()));
        fs::remove_file(root.join("src/lib.rs")).unwrap();
        assert!(Sources::look(root).changed_since(&after).is_some(), "a file that is gone is a change");
    }
}
