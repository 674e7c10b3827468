//! Where in a manifest something stands: `tables[0].columns[2].type`.

use std::fmt;

/// A path from the root of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(String);

impl Path {
    /// The manifest as a whole.
    pub(crate) const fn root() -> Self {
        Self(String::new())
    }

    /// The value of a key of this mapping.
    pub(crate) fn key(&self, key: &str) -> Self {
        // Keys come from the manifest: bounded and escaped like all of its words.
        let key: String = key.chars().take(40).flat_map(char::escape_debug).collect();
        if self.0.is_empty() { Self(key) } else { Self(format!("{}.{key}", self.0)) }
    }

    /// An item of this list.
    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
