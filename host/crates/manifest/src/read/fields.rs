//! Reads the entries of one mapping by name, and at the end reports what nobody asked for.

use crate::path::Path;
use crate::report::Report;
use crate::violation::{Violation, ViolationCode, did_you_mean, quoted};
use crate::yaml::{Content, Node};

/// The entries of a mapping that is being read.
pub(crate) struct Fields<'a, 'r> {
    entries: &'a [(String, usize, Node)],
    path: Path,
    known: Vec<&'static str>,
    report: &'r mut Report,
}

impl<'a, 'r> Fields<'a, 'r> {
    /// Starts reading a mapping; anything else is reported.
    pub(crate) fn of(node: &'a Node, path: &Path, report: &'r mut Report) -> Option<Self> {
        let Content::Mapping(entries) = &node.content else {
            wrong_kind(node, "a mapping", path, report);
            return None;
        };
        Some(Self { entries, path: path.clone(), known: Vec::new(), report })
    }

    /// The node of this key. A key without a value counts as absent.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<(&'a Node, Path)> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (_, _, node) = self.entries.iter().find(|(name, ..)| name == key)?;
        match &node.content {
            Content::Scalar(scalar) if scalar.is_null() => None,
            _ => Some((node, self.path.key(key))),
        }
    }

    /// Reports that a key is not there.
    pub(crate) fn require(&mut self, key: &'static str) {
        if self.node(key).is_none() {
            let message = format!("`{key}` is missing");
            self.report.push(Violation::new(ViolationCode::MissingKey, &self.path, message));
        }
    }

    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        let (node, path) = self.node(key)?;
        text(node, &path, self.report)
    }

    pub(crate) fn required_text(&mut self, key: &'static str) -> Option<String> {
        self.require(key);
        self.text(key)
    }

    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let (node, path) = self.node(key)?;
        let value = match &node.content {
            Content::Scalar(scalar) => scalar.boolean(),
            Content::Sequence(_) | Content::Mapping(_) => None,
        };
        if value.is_none() {
            wrong_kind(node, "`true` or `false`", &path, self.report);
        }
        value
    }

    pub(crate) fn number(&mut self, key: &'static str) -> Option<u64> {
        let (node, path) = self.node(key)?;
        let value = match &node.content {
            // `01` and `+1` are numbers to some readers and texts to others.
            Content::Scalar(scalar) if scalar.plain => {
                scalar.text.parse::<u64>().ok().filter(|value| value.to_string() == scalar.text)
            }
            Content::Scalar(_) | Content::Sequence(_) | Content::Mapping(_) => None,
        };
        if value.is_none() {
            wrong_kind(node, "a whole number", &path, self.report);
        }
        value
    }

    /// Reads each item of a list; one result per item, so that positions stay those of the file.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(&Node, &Path, &mut Report) -> T,
    ) -> Option<Vec<T>> {
        let (node, path) = self.node(key)?;
        list(node, &path, self.report, read)
    }

    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Vec<Option<String>>> {
        self.list(key, text)
    }

    /// Reads a mapping under this key.
    pub(crate) fn mapping<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node, &Path, &mut Report) -> T,
    ) -> Option<T> {
        let (node, path) = self.node(key)?;
        Some(read(node, &path, self.report))
    }

    /// Ends the mapping: every key that nobody asked for is reported. `advice` explains keys that other
    /// formats have and this one spells differently.
    pub(crate) fn finish(self, advice: &[(&str, &str)]) {
        for (key, line, _) in self.entries.iter().filter(|(key, ..)| !self.known.contains(&key.as_str())) {
            let message = format!("unknown key {}", quoted(key));
            let violation =
                Violation::new(ViolationCode::UnknownKey, self.path.key(key), message).line(*line);
            if self.report.is_full() {
                self.report.push(violation);
                continue;
            }
            let advised = advice.iter().find(|(name, _)| name == key).map(|(_, text)| (*text).to_owned());
            let similar = || did_you_mean(key, self.known.iter().copied());
            let hint =
                advised.or_else(similar).unwrap_or_else(|| format!("known here: {}", self.known.join(", ")));
            self.report.push(violation.hint(hint));
        }
    }
}

/// The text of a scalar. Decimal numbers, true and false are taken as written: `version: 1.0` is the text
/// `1.0`. Other spellings of numbers and booleans are text in quotes only.
pub(crate) fn text(node: &Node, path: &Path, report: &mut Report) -> Option<String> {
    match &node.content {
        Content::Scalar(scalar) if scalar.reads_differently() => {
            report.add(ViolationCode::WrongKind, path, unquoted(&scalar.text));
            None
        }
        Content::Scalar(scalar) if !scalar.is_null() => Some(scalar.text.clone()),
        Content::Scalar(_) | Content::Sequence(_) | Content::Mapping(_) => {
            wrong_kind(node, "text", path, report);
            None
        }
    }
}

fn list<T>(
    node: &Node,
    path: &Path,
    report: &mut Report,
    mut read: impl FnMut(&Node, &Path, &mut Report) -> T,
) -> Option<Vec<T>> {
    let Content::Sequence(items) = &node.content else {
        wrong_kind(node, "a list", path, report);
        return None;
    };
    let numbered = items.iter().enumerate();
    Some(numbered.map(|(position, item)| read(item, &path.index(position), report)).collect())
}

/// What to do about a plain scalar that is not text to other readers of YAML.
pub(crate) fn unquoted(text: &str) -> String {
    format!("{} is a number or a truth value to other readers of YAML: write it in quotes", quoted(text))
}

/// Reports a node of the wrong kind.
pub(crate) fn wrong_kind(node: &Node, expected: &str, path: &Path, report: &mut Report) {
    let message = match &node.content {
        Content::Scalar(scalar) if !scalar.is_null() => {
            format!("{expected} is expected here, not {}", quoted(&scalar.text))
        }
        _ => format!("{expected} is expected here, not {}", node.kind()),
    };
    report.add(ViolationCode::WrongKind, path, message);
}
