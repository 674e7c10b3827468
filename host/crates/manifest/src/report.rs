//! Collects violations while a manifest is read and validated, and knows the line of every path.

use std::collections::BTreeMap;

use crate::path::Path;
use crate::violation::{Violation, ViolationCode, Violations};
use crate::yaml::{Content, Node};

/// Past this many, a manifest is not a manifest; the rest is counted, not listed.
const LISTED: usize = 500;

/// The violations found so far.
#[derive(Debug)]
pub(crate) struct Report {
    violations: Vec<Violation>,
    unlisted: usize,
    lines: BTreeMap<String, usize>,
}

impl Report {
    /// An empty report on this document.
    pub(crate) fn on(root: &Node) -> Self {
        let mut lines = BTreeMap::new();
        note_lines(root, &Path::root(), root.line, &mut lines);
        Self { violations: Vec::new(), unlisted: 0, lines }
    }

    /// Adds a violation, with the line of its path or of the nearest thing around it.
    pub(crate) fn push(&mut self, mut violation: Violation) {
        if self.is_full() {
            self.unlisted += 1;
            return;
        }
        if violation.line.is_none() {
            violation.line = self.line(&violation.path);
        }
        self.violations.push(violation);
    }

    /// Whether further violations are only counted, so that nobody works out hints for them.
    pub(crate) const fn is_full(&self) -> bool {
        self.violations.len() >= LISTED
    }

    /// Adds a violation without a hint.
    pub(crate) fn add(&mut self, code: ViolationCode, path: &Path, message: impl Into<String>) {
        self.push(Violation::new(code, path, message));
    }

    /// Ends the report: the violations, or `None` when there are none.
    pub(crate) fn finish(mut self) -> Option<Violations> {
        if self.unlisted > 0 {
            let message = format!("{} more violations are not listed", self.unlisted);
            self.violations.push(Violation::new(ViolationCode::TooMany, "", message));
        }
        Violations::collect(self.violations)
    }

    fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = path.rfind(['.', '[']).and_then(|end| path.get(..end)).unwrap_or("");
            if path.is_empty() {
                return self.lines.get("").copied();
            }
        }
    }
}

fn note_lines(node: &Node, path: &Path, line: usize, lines: &mut BTreeMap<String, usize>) {
    lines.insert(path.as_str().to_owned(), line);
    match &node.content {
        Content::Scalar(_) => {}
        Content::Sequence(items) => {
            for (position, item) in items.iter().enumerate() {
                note_lines(item, &path.index(position), item.line, lines);
            }
        }
        Content::Mapping(entries) => {
            for (key, line, value) in entries {
                note_lines(value, &path.key(key), *line, lines);
            }
        }
    }
}
