//! The SDK of a project's language. SDKs are not published yet, so the program unpacks its own into the
//! project's `.applet/sdk`, beside the interfaces in `.applet/wit`, and does so again when the program is
//! another one. A project that was told of another SDK (`applet new --sdk`) names it in its own files and
//! never looks there.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use super::language::Language;
use super::{Project, embedded};
use crate::output::CommandError;

/// Says which SDK was unpacked.
const STAMP: &str = "stamp";

/// Where a language's SDK is, or would be.
pub(crate) fn folder(project: &Project) -> PathBuf {
    project.state().join("sdk").join(project.language().as_str())
}

/// As projects write it into their own files.
pub(crate) fn usual(language: Language) -> String {
    format!("./.applet/sdk/{}", language.as_str())
}

/// Whether this program has the language's SDK.
pub(crate) fn is_embedded(language: Language) -> bool {
    embedded::folder(&format!("sdk/{}", language.as_str())).next().is_some()
}

/// Makes sure that the SDK is there, if the program has one for the language.
pub(crate) fn provide(project: &Project) -> Result<(), CommandError> {
    unpack(&project.state(), project.language()).map_err(|error| {
        CommandError::usage(format!("cannot unpack the SDK into `{}`: {error}", project.state().display()))
    })
}

/// Unpacks a language's SDK, and the interfaces that it is made from, unless they are there.
fn unpack(state: &Path, language: Language) -> io::Result<()> {
    let name = language.as_str();
    let tree = format!("sdk/{name}");
    let (mut files, mut hash) = (Vec::new(), DefaultHasher::new());
    for (place, tree) in [(tree.clone(), tree.as_str()), ("wit".to_owned(), "wit")] {
        for (inside, bytes) in embedded::folder(tree) {
            (inside, bytes).hash(&mut hash);
            files.push((state.join(&place).join(inside), bytes));
        }
    }
    let stamp = state.join(&tree).join(STAMP);
    let wanted = format!("{:016x}\n", hash.finish());
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    for (file, bytes) in files {
        write_if_other(&file, bytes)?;
    }
    if let Some(folder) = stamp.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(stamp, wanted)
}

/// What has not changed keeps its time, so that nothing is built anew for it.
fn write_if_other(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(file).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_the_sdk_is_unpacked_once_and_again_when_it_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        unpack(folder.path(), Language::Rust).unwrap();
        let source = folder.path().join("sdk/rust/src/lib.rs");
        assert!(source.is_file() && folder.path().join("wit/applet-host@0.1.0/db.wit").is_file());

        fs::write(&source, "changed").unwrap();
        unpack(folder.path(), Language::Rust).unwrap();
        assert_eq!(fs::read_to_string(&source).unwrap(), "changed", "a stamp that fits is believed");
        fs::write(folder.path().join("sdk/rust").join(STAMP), "another").unwrap();
        unpack(folder.path(), Language::Rust).unwrap();
        assert_ne!(fs::read_to_string(&source).unwrap(), "changed");
    }
}
