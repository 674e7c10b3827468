//! Texts that an applet's manifest sets for its component.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a component may look up: names and texts of its manifest. They are the same for every tenant and no place
/// for secrets, as the manifest is read by whoever approves it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(BTreeMap<String, String>);

/// Why a variable is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// Its name is none.
    #[error(
        "a variable's name has letters, digits, `_`, `-` and `.`, begins with a letter, and is at most {} bytes long",
        Variables::LONGEST_NAME
    )]
    Name,
    /// Its text is too long, or holds control characters.
    #[error(
        "a variable's text has at most {} bytes and no control characters but line ends and tabs",
        Variables::LONGEST_TEXT
    )]
    Text,
    /// There are too many.
    #[error("an applet has at most {} variables", Variables::MOST)]
    TooMany,
}

impl Variables {
    /// Variables of one applet.
    pub const MOST: usize = 64;
    /// Bytes of a name.
    pub const LONGEST_NAME: usize = 100;
    /// Bytes of a text.
    pub const LONGEST_TEXT: usize = 4 << 10;

    /// Sets a variable.
    ///
    /// # Errors
    ///
    /// When it is one that no interface could serve, or there are too many.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), VariableError> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if !begins || name.len() > Self::LONGEST_NAME || !name.bytes().all(letter) {
            return Err(VariableError::Name);
        }
        let control = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
        if text.len() > Self::LONGEST_TEXT || text.contains(control) {
            return Err(VariableError::Text);
        }
        if self.0.len() >= Self::MOST && !self.0.contains_key(name) {
            return Err(VariableError::TooMany);
        }
        self.0.insert(name.to_owned(), text.to_owned());
        Ok(())
    }

    /// The text of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec: F15
    #[test]
    fn f15_variables_are_few_short_and_plain() {
        let mut variables = Variables::default();
        variables.set("DB_URL", "host=x\tuser=y\n").unwrap();
        for name in ["", "1a", "_a", "a b", "a=b", "é", "a\0"] {
            assert_eq!(variables.set(name, "x"), Err(VariableError::Name), "{name:?}");
        }
        assert_eq!(variables.set("a", "\0"), Err(VariableError::Text));
        assert_eq!(variables.set("a", &"x".repeat(Variables::LONGEST_TEXT + 1)), Err(VariableError::Text));
        for number in 1..Variables::MOST {
            variables.set(&format!("v{number}"), "x").unwrap();
        }
        assert_eq!(variables.set("more", "x"), Err(VariableError::TooMany));
        variables.set("v1", "y").unwrap();
        assert_eq!((variables.get("v1"), variables.get("V1")), (Some("y"), None));
    }
}
