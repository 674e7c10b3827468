//! `applet new`: a project to begin with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use applet_types::AppletId;
use clap::Args;
use serde_json::json;

use crate::output::{CommandError, Output};
use crate::project::language::Language;
use crate::project::template::{self, Wish};
use crate::project::{Project, sdk};

/// Makes a new project: an applet that works, with a table of its own and tests.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet new invoice-reminder
  applet new invoice-reminder --language typescript
  applet new my-chat --example ai-chat
  applet new invoice-reminder --dir ~/applets/reminder

Then, in the new folder: `applet dev`, `applet test`, `applet build`. The SDK comes with this
program and is unpacked into the project; --sdk names another one.")]
pub(crate) struct New {
    /// The applet's id: kebab-case, 3 to 50 characters.
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is written in.
    #[arg(long, short, value_enum, ignore_case = true, conflicts_with = "example")]
    language: Option<Language>,
    /// Begin with a copy of one of the samples: ai-chat (Rust), crm-notes (TypeScript), report (Python).
    #[arg(long, value_name = "NAME")]
    example: Option<String>,
    /// The folder to make [default: ./NAME].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A folder with the language's SDK, to use instead of the one in this program.
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let id = id_of(&self.name)?;
        let (sample, language) = match &self.example {
            Some(name) => template::sample(name).map(|(sample, language)| (Some(sample), language))?,
            None => (None, self.language.unwrap_or(Language::Rust)),
        };
        let folder = self.dir.unwrap_or_else(|| PathBuf::from(id.as_str()));
        let sdk = match &self.sdk {
            Some(path) => absolute(path)?,
            None if sdk::is_embedded(language) => sdk::usual(language),
            None => {
                let language = language.as_str();
                return Err(CommandError::usage(format!(
                    "this program has no SDK for {language}; --sdk names one"
                )));
            }
        };
        let files = template::files(&Wish { id: &id, language, sdk: &sdk }, sample)?;
        make(&folder, &files)?;
        let project = Project::find(Some(&folder))?;
        if self.sdk.is_none() {
            sdk::provide(&project)?;
        }
        let names: Vec<_> = files.iter().map(|(path, _)| path.clone()).collect();
        output.result(
            &json!({ "ok": true, "id": id, "language": language.as_str(), "folder": project.root(), "files": names }),
            format_args!(
                "{id} is in `{}`. Next:\n  cd {}\n  applet dev      build it, install it for two tenants, serve it\n  \
                 applet test     run its tests on a real database",
                folder.display(),
                folder.display()
            ),
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn id_of(name: &str) -> Result<AppletId, CommandError> {
    name.parse().map_err(|error| {
        let kebab = kebab(name);
        let meant = match kebab.parse::<AppletId>() {
            Ok(id) => format!("; `{id}` would do"),
            Err(_) => String::new(),
        };
        CommandError::usage(format!("{error}{meant}"))
    })
}

/// A name in kebab-case, as near to the one that was given as it gets.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        let word = letter.is_ascii_alphanumeric();
        if (!word || (letter.is_ascii_uppercase() && after_small)) && !kebab.ends_with('-') {
            kebab.push('-');
        }
        if word {
            kebab.push(letter.to_ascii_lowercase());
        }
        after_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
    }
    kebab.trim_matches('-').to_owned()
}

/// An SDK elsewhere is named whole: the project may be moved.
fn absolute(path: &Path) -> Result<String, CommandError> {
    let found = fs::canonicalize(path)
        .map_err(|error| CommandError::usage(format!("there is no SDK in `{}`: {error}", path.display())))?;
    let text = found.to_str().map(str::to_owned);
    text.ok_or_else(|| CommandError::usage(format!("`{}` cannot be written into a file", path.display())))
}

/// Writes the files of a project into a folder that is new, or empty.
fn make(folder: &Path, files: &[template::NewFile]) -> Result<(), CommandError> {
    let name = folder.display();
    let failed = |error: std::io::Error| CommandError::usage(format!("cannot make `{name}`: {error}"));
    if fs::symlink_metadata(folder).is_ok() {
        let empty = fs::read_dir(folder).map_err(failed)?.next().is_none();
        if !empty {
            return Err(CommandError::usage(format!(
                "`{name}` is there already and not empty; take another name, or another folder with --dir"
            )));
        }
    }
    for (path, bytes) in files {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(&file, bytes).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_a_name_that_is_none_is_answered_with_one_that_is() {
        for (name, meant) in
            [("InvoiceReminder", "invoice-reminder"), ("my applet", "my-applet"), ("Notes_2", "notes-2")]
        {
            let error = id_of(name).unwrap_err().to_string();
            assert!(error.contains(&format!("`{meant}` would do")), "{error}");
        }
        assert!(!id_of("1").unwrap_err().to_string().contains("would do"));
        assert!(!id_of("../../etc").unwrap_err().to_string().contains("../etc` would do"));
    }

    #[test]
    fn f13_nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = (PathBuf::from("a/b.txt"), b"new".to_vec());
        make(folder.path(), std::slice::from_ref(&file)).unwrap();
        fs::write(folder.path().join("a/b.txt"), "mine").unwrap();
        let error = make(folder.path(), &[file]).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
        assert_eq!(fs::read_to_string(folder.path().join("a/b.txt")).unwrap(), "mine");
    }
}
