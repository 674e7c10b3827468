//! What a new project begins with: the files that all languages share, those of its language, or a sample.
//!
//! In files and in their names `{{id}}` stands for the applet's id, `{{module}}` for the same as an
//! identifier, `{{name}}` for what people call it, and `{{sdk}}` for the way to the SDK.

use std::path::PathBuf;

use applet_manifest::{did_you_mean, load};
use applet_types::AppletId;

use super::language::Language;
use super::{MANIFEST, embedded};
use crate::output::CommandError;

/// The samples that come with the program, and what each is written in.
const SAMPLES: [(&str, Language); 3] =
    [("ai-chat", Language::Rust), ("crm-notes", Language::TypeScript), ("report", Language::Python)];

/// A file to write, by its path in the project.
pub(crate) type NewFile = (PathBuf, Vec<u8>);

/// What a new project is to be.
pub(crate) struct Wish<'a> {
    pub(crate) id: &'a AppletId,
    pub(crate) language: Language,
    /// The way to the SDK, as the project's own files name it.
    pub(crate) sdk: &'a str,
}

/// A sample that comes with the program, by its name.
pub(crate) fn sample(name: &str) -> Result<(&'static str, Language), CommandError> {
    let there: Vec<&str> = embedded::folders("samples");
    let known: Vec<_> = SAMPLES.iter().filter(|(sample, _)| there.contains(sample)).collect();
    if let Some((sample, language)) = known.iter().find(|(sample, _)| *sample == name) {
        return Ok((sample, *language));
    }
    let names: Vec<String> = known.iter().map(|(sample, _)| format!("`{sample}`")).collect();
    let meant = did_you_mean(name, known.iter().map(|(sample, _)| *sample));
    let meant = meant.unwrap_or_else(|| format!("there are {}", names.join(", ")));
    Err(CommandError::usage(format!("there is no example `{name}`; {meant}")))
}

/// The files of a new project.
pub(crate) fn files(wish: &Wish<'_>, sample: Option<&str>) -> Result<Vec<NewFile>, CommandError> {
    let language = format!("templates/{}", wish.language.as_str());
    if embedded::folder(&language).next().is_none() {
        let reason = format!("there is no template for {} yet", wish.language.as_str());
        return Err(CommandError::usage(reason));
    }
    let mut files: Vec<NewFile> = Vec::new();
    for tree in ["templates/common", &language] {
        // Of a sample, sources, manifest and tests are its own.
        let wanted = |path: &str| sample.is_none() || is_frame(path);
        for (path, bytes) in embedded::folder(tree).filter(|(path, _)| wanted(path)) {
            put(&mut files, wish, path, bytes);
        }
    }
    if wish.language == Language::Rust {
        // The versions that the SDK is tested with; cargo adds the project itself.
        let lock = embedded::folder("sdk/rust").find(|(path, _)| *path == "Cargo.lock");
        lock.into_iter().for_each(|(path, bytes)| put(&mut files, wish, path, bytes));
    }
    if let Some(sample) = sample {
        for (path, bytes) in embedded::folder(&format!("samples/{sample}")) {
            if !is_frame(path) || path == "README.md" {
                put(&mut files, wish, path, &renamed(path, bytes, sample, wish.id));
            }
        }
    }
    check(&files)?;
    Ok(files)
}

/// What belongs to the project rather than to what it does.
fn is_frame(path: &str) -> bool {
    !(path.starts_with("src/") || path.starts_with("tests/") || path.starts_with("manifest"))
}

fn put(files: &mut Vec<NewFile>, wish: &Wish<'_>, path: &str, bytes: &[u8]) {
    let path = PathBuf::from(filled(path, wish).replace("dot-", "."));
    let bytes = match std::str::from_utf8(bytes) {
        Ok(text) => filled(text, wish).into_bytes(),
        Err(_) => bytes.to_vec(),
    };
    files.retain(|(known, _)| *known != path);
    files.push((path, bytes));
}

fn filled(text: &str, wish: &Wish<'_>) -> String {
    let id = wish.id.as_str();
    text.replace("{{id}}", id)
        .replace("{{module}}", &id.replace('-', "_"))
        .replace("{{name}}", &name_of(wish.id))
        .replace("{{language}}", wish.language.as_str())
        .replace("{{sdk}}", wish.sdk)
}

/// A sample's manifest is the applet's own from now on.
fn renamed(path: &str, bytes: &[u8], sample: &str, id: &AppletId) -> Vec<u8> {
    if !path.starts_with("manifest") {
        return bytes.to_vec();
    }
    let text = String::from_utf8_lossy(bytes);
    text.replacen(&format!("id: {sample}\n"), &format!("id: {id}\n"), 1).into_bytes()
}

/// `invoice-reminder` is called Invoice Reminder.
fn name_of(id: &AppletId) -> String {
    let words = id.as_str().split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
    });
    words.flatten().collect::<Vec<_>>().join(" ")
}

/// A name that is too long for its tables is told before anything is written.
fn check(files: &[NewFile]) -> Result<(), CommandError> {
    let manifest = files.iter().find(|(path, _)| path.as_os_str() == MANIFEST);
    let Some((_, bytes)) = manifest else { return Err(CommandError::usage("the template has no manifest")) };
    load(bytes).map(drop).map_err(|violations| {
        CommandError::usage(format!("the name makes no valid manifest; take another one\n{violations}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(id: &AppletId, language: Language) -> Wish<'_> {
        Wish { id, language, sdk: "SDK" }
    }

    #[test]
    fn f13_every_template_is_whole() {
        let id: AppletId = "invoice-reminder".parse().unwrap();
        for language in [Language::Rust, Language::TypeScript, Language::Python, Language::Go] {
            let files = files(&wish(&id, language), None).unwrap();
            for wanted in ["manifest.yaml", "README.md", ".gitignore", "tests/notes.yaml"] {
                assert!(files.iter().any(|(path, _)| path.as_os_str() == wanted), "{language:?}: {wanted}");
            }
            for (path, bytes) in &files {
                let text = String::from_utf8_lossy(bytes);
                assert!(!text.contains("{{"), "{} has something that was not filled in", path.display());
            }
        }
    }

    #[test]
    fn f13_samples_become_applets_of_their_own() {
        let id: AppletId = "my-chat".parse().unwrap();
        let files = files(&wish(&id, Language::Rust), Some("ai-chat")).unwrap();
        let text = |name: &str| {
            let file = files.iter().find(|(path, _)| path.as_os_str() == name);
            String::from_utf8(file.unwrap_or_else(|| panic!("{name} is missing")).1.clone()).unwrap()
        };
        assert!(text("manifest.yaml").contains("id: my-chat\n"));
        assert!(text("Cargo.toml").contains("name = \"my-chat\""));
        assert!(text("src/lib.rs").contains("chats::summary"));
        assert!(!files.iter().any(|(path, _)| path.as_os_str() == "tests/notes.yaml"));
    }

    #[test]
    fn f13_a_name_too_long_for_its_tables_is_told_at_once() {
        let id: AppletId = "a-name-that-is-too-long-for-any-table-of-it".parse().unwrap();
        let error = files(&wish(&id, Language::Rust), None).unwrap_err().to_string();
        assert!(error.contains("tables[0].name"), "{error}");
    }

    #[test]
    fn f13_samples_are_suggested() {
        let error = sample("ai-chta").unwrap_err().to_string();
        assert!(error.contains("did you mean `ai-chat`?"), "{error}");
    }
}
