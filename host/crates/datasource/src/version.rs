//! Versions of the server, and which of them have known holes in what the second wall relies on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The oldest major version that is supported (SPEC Decision 13).
const OLDEST_MAJOR: u32 = 15;

/// The first minor version of each major with the fixes of August 2026, among them CVE-2026-14666: plans
/// that were made for one role kept another role's row security.
const PATCHED: &[(u32, u32)] = &[(15, 19), (16, 15), (17, 11), (18, 5)];

/// A server's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// `15` of 15.18.
    pub major: u32,
    /// `18` of 15.18.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`. A beta has no version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?;
        let (major, minor) = number.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// Reads `server_version_num`.
    pub(crate) fn from_number(number: i32) -> Self {
        let number = u32::try_from(number).unwrap_or(0);
        Self { major: number / 10_000, minor: number % 10_000 }
    }

    /// Whether the host works with it at all.
    pub const fn is_supported(self) -> bool {
        self.major >= OLDEST_MAJOR
    }

    /// The version to upgrade to, when this one has known holes in what the second wall relies on.
    pub fn patched_by(self) -> Option<Self> {
        let (major, minor) = *PATCHED.iter().find(|(major, _)| *major == self.major)?;
        (self.minor < minor).then_some(Self { major, minor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d13_versions_are_read_as_packagers_print_them() {
        let read = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n").as_deref(), Some("15.18"));
        assert_eq!(read("postgres (PostgreSQL) 17.10\n").as_deref(), Some("17.10"));
        assert_eq!(read("postgres (PostgreSQL) 19beta1\n"), None);
        assert_eq!(read("mysqld 8.0"), None);
        assert_eq!(Version::from_number(150_018), Version { major: 15, minor: 18 });
    }

    #[test]
    fn d13_versions_with_known_holes_are_named() {
        let version = |major, minor| Version { major, minor };
        assert_eq!(version(15, 18).patched_by(), Some(version(15, 19)));
        assert_eq!(version(15, 19).patched_by(), None);
        assert_eq!(version(17, 10).patched_by(), Some(version(17, 11)));
        assert_eq!(version(19, 0).patched_by(), None);
        assert!(!version(14, 30).is_supported());
    }
}
