//! Paths of the files that a package carries beside manifest and component.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes of a path, and of one of its parts.
const LONGEST_PATH: usize = 200;
const LONGEST_PART: usize = 100;

/// Folders within folders, the file counted.
const DEEPEST: usize = 8;

/// Names that a package's own parts have.
const TAKEN: [&str; 2] = ["manifest.yaml", "component.wasm"];

/// A file's path in a package: `images/logo.svg`.
///
/// *Invariant:* whoever joins it to a folder stays in that folder, on every system: relative, parts of ASCII
/// letters, digits, `.`, `_` and `-` with `/` between them, none of which begins with `.` or `-` or ends with
/// `.`. Package files are hostile input, and others than us will write them to disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetPath(String);

/// A text that is no path of an asset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not the path of a file in a package: relative, `/` between its parts, and each part of letters, \
     digits, `.`, `_` and `-`, beginning with none of `.-`",
    .0.escape_debug()
)]
pub struct InvalidAssetPath(String);

impl AssetPath {
    /// How many a package has at most.
    pub const MOST: usize = 254;

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first of these paths that cannot lie beside those before it: the same but for capitals, or a folder
    /// of one and a file of the other.
    pub fn first_clash<'a>(paths: impl IntoIterator<Item = &'a Self>) -> Option<&'a Self> {
        let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
        paths.into_iter().find(|path| {
            let file = path.0.to_ascii_lowercase();
            let above: Vec<String> =
                file.match_indices('/').filter_map(|(end, _)| file.get(..end).map(str::to_owned)).collect();
            let clashes = folders.contains(&file) || above.iter().any(|folder| files.contains(folder));
            folders.extend(above);
            !files.insert(file) || clashes
        })
    }
}

fn is_part(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=LONGEST_PART).contains(&part.len())
        && part.bytes().all(plain)
        && !part.starts_with(['.', '-'])
        && !part.ends_with('.')
}

impl FromStr for AssetPath {
    type Err = InvalidAssetPath;

    fn from_str(text: &str) -> Result<Self, InvalidAssetPath> {
        let fits = text.len() <= LONGEST_PATH
            && text.split('/').count() <= DEEPEST
            && text.split('/').all(is_part)
            && !TAKEN.iter().any(|taken| taken.eq_ignore_ascii_case(text));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidAssetPath(text.to_owned())) }
    }
}

impl TryFrom<String> for AssetPath {
    type Error = InvalidAssetPath;

    fn try_from(text: String) -> Result<Self, InvalidAssetPath> {
        text.parse()
    }
}

impl From<AssetPath> for String {
    fn from(path: AssetPath) -> Self {
        path.0
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_11_only_paths_that_stay_in_their_folder_are_paths() {
        for path in ["a", "icon.svg", "images/logo-2.PNG", "a/b/c/d/e/f/g/h", "x..y"] {
            assert_eq!(path.parse::<AssetPath>().unwrap().as_str(), path);
        }
        let long = "a".repeat(101);
        let deep = "a/".repeat(8) + "a";
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "c:/x",
            "c:x",
            "a\0b",
            "a b",
            "ä",
            ".git/config",
            "-rf",
            "a/-x",
            "a.",
            "manifest.yaml",
            "MANIFEST.yaml",
            "component.wasm",
            "a\nb",
            "\u{202e}a",
            &long,
            &deep,
        ] {
            assert!(path.parse::<AssetPath>().is_err(), "{path:?}");
        }
    }

    #[test]
    fn s4x_11_paths_that_cannot_lie_beside_each_other_are_found() {
        let clash = |paths: &[&str]| {
            let paths: Vec<AssetPath> = paths.iter().map(|path| path.parse().unwrap()).collect();
            AssetPath::first_clash(&paths).map(|path| path.as_str().to_owned())
        };
        assert_eq!(clash(&["a", "b/a", "b/c", "c"]), None);
        assert_eq!(clash(&["a", "b", "a"]).unwrap(), "a");
        assert_eq!(clash(&["Logo.svg", "logo.svg"]).unwrap(), "logo.svg");
        assert_eq!(clash(&["a/b", "A"]).unwrap(), "A");
        assert_eq!(clash(&["a", "A/b/c"]).unwrap(), "A/b/c");
    }
}
