//! What an applet is on its developer's disk: a folder with a `manifest.yaml`, a source in one of the
//! languages, and tests.
//!
//! Everything that the commands make for themselves is in the project's folder `.applet`, which is nobody's
//! source: it can be deleted at any time.
//!
//! Start reading at [`Project`], then [`language`], [`compile`] (source to component) and [`template`].

pub(crate) mod compile;
mod embedded;
pub(crate) mod language;
pub(crate) mod sdk;
pub(crate) mod sources;
pub(crate) mod template;
pub(crate) mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use applet_datasource::embedded::usual_directory;
use applet_manifest::ValidatedManifest;

use crate::config::LimitsConfig;
use crate::output::CommandError;
use crate::packages::{Packed, pack};
use language::Language;

/// The file that makes a folder a project.
pub(crate) const MANIFEST: &str = "manifest.yaml";

/// The folder for what commands make.
const STATE: &str = ".applet";

/// A project.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    root: PathBuf,
    language: Language,
}

/// A manifest, as it is written and as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) text: String,
    pub(crate) valid: ValidatedManifest,
}

impl Project {
    /// The project that a folder belongs to: the first one with a manifest, from the folder upward.
    pub(crate) fn find(start: Option<&Path>) -> Result<Self, CommandError> {
        let start = match start {
            Some(start) => start.to_owned(),
            None => std::env::current_dir().map_err(crate::opening::told)?,
        };
        let absolute = fs::canonicalize(&start)
            .map_err(|error| CommandError::usage(format!("cannot open `{}`: {error}", start.display())))?;
        let root = absolute.ancestors().find(|folder| folder.join(MANIFEST).is_file()).ok_or_else(|| {
            CommandError::usage(format!(
                "there is no `{MANIFEST}` in `{}` or in a folder above it; `applet new NAME` makes a project",
                absolute.display()
            ))
        })?;
        let language = Language::of(root).ok_or_else(|| {
            CommandError::usage(format!(
                "it cannot be told what `{}` is written in: none of {} is there",
                root.display(),
                Language::marks()
            ))
        })?;
        Ok(Self { root: root.to_owned(), language })
    }

    /// Its folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What it is written in.
    pub(crate) const fn language(&self) -> Language {
        self.language
    }

    /// Its manifest, if it is valid.
    pub(crate) fn manifest(&self, limits: &LimitsConfig) -> Result<Manifest, CommandError> {
        let file = self.root.join(MANIFEST);
        let valid = crate::cli::load_manifest(&file, limits)?;
        let text = fs::read_to_string(&file).map_err(crate::opening::told)?;
        Ok(Manifest { text, valid })
    }

    /// A package of its manifest, a component, and the files that the manifest lists.
    pub(crate) fn pack(
        &self,
        manifest: &Manifest,
        component: &[u8],
        limits: &LimitsConfig,
    ) -> Result<Packed, CommandError> {
        pack(&self.root, &manifest.valid, &manifest.text, component, limits)
    }

    /// The folder for what commands make.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join(STATE)
    }

    /// Where a package of it is written.
    pub(crate) fn package_file(&self, manifest: &ValidatedManifest) -> PathBuf {
        let name = format!("{}-{}.applet", manifest.id(), manifest.version());
        self.root.join(self.language.output()).join(name)
    }

    /// Where `applet dev` keeps its database. As root, PostgreSQL runs as another user, who may not be able to
    /// get into the project; then it is kept where hosts keep theirs.
    pub(crate) fn dev_directory(&self) -> PathBuf {
        if !is_root() || anybody_enters(&self.root) {
            return self.state().join("dev");
        }
        let name: String = self.root.to_string_lossy().replace(['/', ' '], "-");
        usual_directory().join("projects").join(name.trim_start_matches('-'))
    }

    /// A script for tables of the platform that the applet is written for, run on the databases of `dev` and
    /// `test` after the demo's tables were made.
    pub(crate) fn seed(&self) -> Result<Option<String>, CommandError> {
        let file = self.root.join("tests/seed.sql");
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CommandError::usage(format!("cannot read `{}`: {error}", file.display()))),
        }
    }
}

fn is_root() -> bool {
    // The owner of what this process makes is who it runs as; asking that way takes no unsafe call.
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

fn anybody_enters(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    folder
        .ancestors()
        .all(|folder| fs::metadata(folder).is_ok_and(|about| about.permissions().mode() & 0o001 != 0))
}
