//! The conformance suite of guest languages: `tests/conformance`, read and made explicit.

mod same;
mod suite;

pub use same::difference;
pub use suite::{Call, Expected, Lifecycle, LogLine, Problem, Suite};

use std::path::PathBuf;
use std::process::Command;

use crate::host::{guest, repository};

/// A guest language, and where its component is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// By `sdk/rust`.
    Rust,
    /// By `sdk/typescript`.
    TypeScript,
    /// By `sdk/python`.
    Python,
    /// By `sdk/c`.
    C,
    /// By `sdk/go`.
    Go,
}

impl Language {
    /// As people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::TypeScript => "TypeScript",
            Self::Python => "Python",
            Self::C => "C",
            Self::Go => "Go",
        }
    }

    /// Whether its toolchain comes with Rust or with `apt-get`, so that there is no reason to skip it.
    fn is_always_there(self) -> bool {
        match self {
            Self::Rust => true,
            Self::C => Command::new("apt-get").arg("--version").output().is_ok(),
            Self::TypeScript | Self::Python | Self::Go => false,
        }
    }

    fn folder(self) -> PathBuf {
        let name = self.name().to_lowercase();
        repository().join("tests/guests").join(name).join("target")
    }

    /// The component; or why the language is skipped.
    ///
    /// # Errors
    ///
    /// The reason that its build gave.
    ///
    /// # Panics
    ///
    /// When it was not built, and there is no reason.
    pub fn component(self) -> Result<PathBuf, String> {
        let path = match self {
            Self::Rust => guest("guest_conformance"),
            Self::TypeScript | Self::Python | Self::C | Self::Go => self.folder().join("conformance.wasm"),
        };
        if path.exists() {
            return Ok(path);
        }
        let reason = std::fs::read_to_string(self.folder().join("SKIPPED")).unwrap_or_default();
        let reason = reason.trim();
        assert!(!reason.is_empty(), "{} is missing: run tests/guests/build.sh", path.display());
        assert!(!self.is_always_there(), "{} must not be skipped here: {reason}", self.name());
        Err(reason.to_owned())
    }
}
