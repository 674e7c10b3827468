//! What is wrong with a configuration, and where.

use std::fmt;

/// One thing to change, with its path in the file or the name of its environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: String,
    message: String,
}

impl Problem {
    /// What is wrong with the setting at `place`.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }

    /// Which setting, as the configuration file has it: `limits.host.sessions`.
    pub fn setting(&self) -> &str {
        &self.place
    }

    /// What is wrong with it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, message } = self;
        if place.is_empty() { f.write_str(message) } else { write!(f, "{place}: {message}") }
    }
}

/// All of them, a line each.
pub(super) fn in_lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    lines.join("\n")
}
