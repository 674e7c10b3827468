//! The languages that applets are written in.

use std::path::Path;

use clap::ValueEnum;

/// A language, by the tools that make components of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum Language {
    /// Rust, by cargo.
    #[value(alias = "rs")]
    Rust,
    /// TypeScript or JavaScript, by npm.
    #[value(aliases = ["ts", "javascript", "js"])]
    TypeScript,
    /// Python, by componentize-py.
    #[value(alias = "py")]
    Python,
    /// C, by clang and wasi-libc.
    C,
    /// Go.
    #[value(alias = "golang")]
    Go,
}

impl Language {
    const ALL: [Self; 5] = [Self::Rust, Self::TypeScript, Self::Python, Self::Go, Self::C];

    /// What a project is written in, by the files in its folder.
    pub(crate) fn of(root: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.files().iter().any(|file| root.join(file).is_file()))
    }

    /// The files that tell.
    const fn files(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &["Cargo.toml"],
            Self::TypeScript => &["package.json"],
            Self::Python => &["pyproject.toml"],
            Self::Go => &["go.mod"],
            Self::C => &["Makefile", "build.sh"],
        }
    }

    /// All of those files, for an error.
    pub(crate) fn marks() -> String {
        let marks: Vec<String> =
            Self::ALL.iter().flat_map(|language| language.files()).map(|file| format!("`{file}`")).collect();
        marks.join(", ")
    }

    /// What commands and folders call it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::TypeScript => "typescript",
            Self::Python => "python",
            Self::C => "c",
            Self::Go => "go",
        }
    }

    /// The folder that its tools, or its templates, write to.
    pub(crate) const fn output(self) -> &'static str {
        match self {
            Self::Rust | Self::C | Self::Go => "target",
            Self::TypeScript | Self::Python => "dist",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_a_project_tells_its_language_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Language::of(folder.path()), None);
        for (file, language) in [
            ("build.sh", Language::C),
            ("go.mod", Language::Go),
            ("pyproject.toml", Language::Python),
            ("package.json", Language::TypeScript),
            ("Cargo.toml", Language::Rust),
        ] {
            std::fs::write(folder.path().join(file), "").unwrap();
            assert_eq!(Language::of(folder.path()), Some(language), "{file} beside those before");
        }
    }

    #[test]
    fn f13_languages_are_named_as_people_call_them() {
        for name in ["typescript", "ts", "js", "rust", "python", "py", "c", "go"] {
            assert!(Language::from_str(name, true).is_ok(), "{name}");
        }
    }
}
