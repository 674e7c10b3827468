//! SQL names, folded the way PostgreSQL folds them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::AppletId;

/// PostgreSQL cuts identifiers at NAMEDATALEN - 1 bytes; we refuse longer ones instead of cutting.
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// A prefix that a soft-deleted table's name gets; it has to fit as well (SPEC S4.20, S4.36).
const DELETED_PREFIX: &str = "_deleted_";

/// The name of a table or column: `^[a-z_][a-z0-9_]{0,62}$`.
///
/// Anything else that PostgreSQL would accept (quotes, capitals, other scripts) is refused: such names
/// are where two parsers begin to disagree (SQL-SAFETY section 3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SqlName(String);

impl SqlName {
    /// A name as an unquoted identifier writes it: ASCII letters are folded to lower case, nothing else
    /// is (KELVIN SIGN would fold to `k` with Unicode rules, but not in PostgreSQL).
    pub fn unquoted(text: &str) -> Result<Self, InvalidName> {
        Self::exact(&text.to_ascii_lowercase())
    }

    /// A name as a quoted identifier writes it: taken as it is.
    pub fn exact(text: &str) -> Result<Self, InvalidName> {
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if starts_well && plain && text.len() <= MAX_IDENTIFIER_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName { text: text.to_owned() })
        }
    }

    /// The folded name, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SqlName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::exact(text)
    }
}

impl TryFrom<String> for SqlName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::exact(&text)
    }
}

impl From<SqlName> for String {
    fn from(name: SqlName) -> Self {
        name.0
    }
}

impl std::borrow::Borrow<str> for SqlName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SqlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SqlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlName({})", self.0)
    }
}

/// A text that cannot be a table or column name here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a usable name: lower-case letters, digits and `_`, at most {MAX_IDENTIFIER_BYTES} bytes"
)]
pub struct InvalidName {
    text: String,
}

/// The physical name of an applet's own table: `applet_{applet id with - as _}_{table}` (SPEC S4.20).
///
/// [`PhysicalTable::of`] is the only way to make one. Two applets can claim the same physical name
/// (`a-b` + `c` and `a` + `b_c`); whoever installs has to check for that.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhysicalTable(SqlName);

impl PhysicalTable {
    /// Builds the physical name; refused when it would not fit into an identifier even with the
    /// `_deleted_` prefix that an uninstall puts before it.
    pub fn of(applet: &AppletId, table: &SqlName) -> Result<Self, InvalidName> {
        let text = format!("applet_{}_{table}", applet.as_str().replace('-', "_"));
        if text.len() + DELETED_PREFIX.len() > MAX_IDENTIFIER_BYTES {
            return Err(InvalidName { text });
        }
        SqlName::exact(&text).map(Self)
    }

    /// The name under which soft-deleted rows are kept.
    pub fn deleted(&self) -> String {
        format!("{DELETED_PREFIX}{}", self.0)
    }

    /// The physical name.
    pub const fn name(&self) -> &SqlName {
        &self.0
    }
}

impl fmt::Display for PhysicalTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for PhysicalTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhysicalTable({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_20_physical_name_is_prefix_id_table() {
        let table =
            PhysicalTable::of(&"ai-chat".parse().unwrap(), &"ai_chat_configs".parse().unwrap()).unwrap();
        assert_eq!(table.to_string(), "applet_ai_chat_ai_chat_configs");
        assert_eq!(table.deleted(), "_deleted_applet_ai_chat_ai_chat_configs");
    }

    #[test]
    fn s4_20_name_that_does_not_fit_with_the_deleted_prefix_is_refused_never_cut() {
        let applet: AppletId = "ai-chat".parse().unwrap();
        let longest = "a".repeat(63 - "_deleted_applet_ai_chat_".len());
        assert!(PhysicalTable::of(&applet, &longest.parse().unwrap()).is_ok());
        assert!(PhysicalTable::of(&applet, &format!("{longest}a").parse().unwrap()).is_err());
    }

    #[test]
    fn s4_2_only_ascii_letters_fold() {
        assert_eq!(SqlName::unquoted("Clients").unwrap().as_str(), "clients");
        assert!(SqlName::unquoted("\u{212A}lients").is_err());
        assert!(SqlName::exact("Clients").is_err());
        assert!(SqlName::exact("clients\"").is_err());
        assert!(SqlName::exact("").is_err());
    }
}
