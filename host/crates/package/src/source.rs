//! Where a package came from.

use std::fmt;
use std::str::FromStr;

use crate::{InvalidReference, Reference};

/// How a package in a registry is written, beside those in files.
const SCHEME: &str = "oci://";

/// How a file is written: its name says nothing about who made it.
const FILE: &str = "file";

/// Where a package was submitted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of the operator's machine.
    File,
    /// A registry, in exactly this version.
    Registry(Reference),
}

impl FromStr for Source {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        match text.strip_prefix(SCHEME) {
            Some(reference) => reference.parse().map(Self::Registry),
            None if text == FILE => Ok(Self::File),
            None => Err(InvalidReference::new(text, "either `file`, or `oci://` and a reference")),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str(FILE),
            Self::Registry(reference) => write!(f, "{SCHEME}{reference}"),
        }
    }
}
