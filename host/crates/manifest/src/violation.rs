//! What is wrong with a manifest: every violation, each with a stable code, its YAML path and its line.

use std::fmt;

use serde::Serialize;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// The stable code of a violation. The text never changes once released.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum ViolationCode {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl ViolationCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable text, for example `missing-primary-key`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

codes! {
    /// The file is larger than allowed.
    TooLarge = "too-large";
    /// Not UTF-8, or holds control characters.
    InvalidText = "invalid-text";
    /// Not YAML.
    YamlSyntax = "yaml-syntax";
    /// Lists and mappings are nested too deeply.
    TooDeep = "too-deep";
    /// Too many nodes in all.
    TooManyNodes = "too-many-nodes";
    /// An anchor or an alias.
    AliasNotAllowed = "alias-not-allowed";
    /// A YAML tag such as `!!binary`.
    TagNotAllowed = "tag-not-allowed";
    /// More than one YAML document.
    MultipleDocuments = "multiple-documents";
    /// A key stands twice in one mapping.
    DuplicateKey = "duplicate-key";
    /// A key that manifests do not have.
    UnknownKey = "unknown-key";
    /// A required key is not there.
    MissingKey = "missing-key";
    /// A list where text is expected, or the like.
    WrongKind = "wrong-kind";
    /// A value that this key does not take.
    InvalidValue = "invalid-value";
    /// The applet's id is not kebab-case of 3 to 50 characters.
    InvalidId = "invalid-id";
    /// Not a semantic version, or not a range of them.
    InvalidVersion = "invalid-version";
    /// The applet does not run on this version of the host API.
    HostApiMismatch = "host-api-mismatch";
    /// A path that leaves the package.
    InvalidPath = "invalid-path";
    /// A name that cannot be a table's or a column's.
    InvalidName = "invalid-name";
    /// A name that belongs to the database or to the platform.
    ReservedName = "reserved-name";
    /// A name or an index is declared twice.
    DuplicateName = "duplicate-name";
    /// More of something than allowed.
    TooMany = "too-many";
    /// A limit above what the host gives by itself.
    LimitRaised = "limit-raised";
    /// Own tables are declared, but not requested.
    TablesNotRequested = "tables-not-requested";
    /// No column is the primary key.
    MissingPrimaryKey = "missing-primary-key";
    /// More than one, or one of a type that cannot be a key.
    InvalidPrimaryKey = "invalid-primary-key";
    /// There is no `tenant_id` column.
    MissingTenantId = "missing-tenant-id";
    /// A column's type is unknown, or not one that this column can have.
    InvalidType = "invalid-type";
    /// A default that is no value of the column's type.
    InvalidDefault = "invalid-default";
    /// Two settings of a column contradict each other.
    Contradiction = "contradiction";
    /// A foreign key that cannot be made.
    InvalidForeignKey = "invalid-foreign-key";
    /// An index that cannot be made.
    InvalidIndex = "invalid-index";
}

impl fmt::Display for ViolationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The stable code.
    pub code: ViolationCode,
    /// Where, as `tables[0].columns[2].type`; empty for the file as a whole.
    pub path: String,
    /// What is wrong: lower case, no full stop, the manifest's own words in backticks.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The line in the file, from 1.
    pub line: Option<usize>,
}

impl Violation {
    /// A violation without line or hint.
    pub(crate) fn new(code: ViolationCode, path: impl ToString, message: impl Into<String>) -> Self {
        Self { code, path: path.to_string(), message: message.into(), hint: None, line: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) const fn line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} [{}]", self.message, self.code)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a manifest, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Violations(Vec<Violation>);

impl Violations {
    pub(crate) fn one(violation: Violation) -> Self {
        Self(vec![violation])
    }

    /// `None` when there are none.
    pub(crate) fn collect(mut violations: Vec<Violation>) -> Option<Self> {
        violations.sort_by_key(|violation| violation.line.unwrap_or(usize::MAX));
        (!violations.is_empty()).then_some(Self(violations))
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Violations {
    type Item = &'a Violation;
    type IntoIter = std::slice::Iter<'a, Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, violation) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(violation, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// A manifest's own words, fit for a terminal and a log: bounded, control characters escaped. A manifest
/// is hostile input; its text must not be able to move a cursor or fake a line.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{}`", shown.replace('`', "'").replace("\\'", "'").replace("\\\"", "\""))
}

/// The one of `known` that `text` is most likely a slip of.
pub(crate) fn closest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A slip is short: nobody misspells hundreds of letters, and the distance is quadratic.
    if text.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-', ' '], "");
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&plain(text), &plain(name)), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

/// The question that whoever wrote `text` is asked, if it is most likely a slip of one of `known`.
pub fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(text, known).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_77_texts_of_a_manifest_cannot_drive_a_terminal() {
        assert_eq!(quoted("a\u{1b}[2J\nb"), "`a\\u{1b}[2J\\nb`");
        assert!(quoted(&"x".repeat(5_000)).chars().count() < 70);
    }

    #[test]
    fn s4x_11_near_misses_are_suggested_and_far_ones_are_not() {
        let known = ["tables", "permissions", "foreignKey"];
        assert_eq!(closest("table", known), Some("tables"));
        assert_eq!(closest("foreign_key", known), Some("foreignKey"));
        assert_eq!(closest("permisions", known), Some("permissions"));
        assert_eq!(closest("zebra", known), None);
    }
}
