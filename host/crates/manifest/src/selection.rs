//! Which of the requested permissions an admin grants (SPEC S4x.1, Decision 20).
//!
//! *Invariant:* granted never exceeds requested. A reference that matches nothing requested is an error,
//! never ignored: an admin who mistypes what to deny must not grant it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use applet_types::{Columns, Grants, SqlName, TableGrant};
use serde::{Deserialize, Serialize};

use crate::validate::Requests;
use crate::validated::ValidatedManifest;

/// A permission, as an admin names it: `read:clients`, `read:clients.phone`, `insert:chats`,
/// `write:clients` (insert and update), `delete:chats`, `create-tables`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GrantRef {
    /// Something done with a table, or with one column of it.
    Table {
        /// What is done.
        access: Access,
        /// The table, by the name in the manifest or the physical one.
        table: SqlName,
        /// The column; the whole table when `None`.
        column: Option<SqlName>,
    },
    /// The applet's own tables.
    CreateTables,
}

/// What a [`GrantRef`] speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read.
    Read,
    /// Insert and update, soft delete included.
    Write,
    /// Insert.
    Insert,
    /// Update, soft delete included.
    Update,
    /// Hard delete.
    Delete,
}

impl Access {
    const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Insert, Self::Update, Self::Delete];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// The parts of a grant that it speaks of.
    fn columns(self, grant: &mut TableGrant) -> Vec<&mut Option<Columns>> {
        match self {
            Self::Read => vec![&mut grant.read],
            Self::Insert => vec![&mut grant.insert],
            Self::Update => vec![&mut grant.update],
            Self::Write => vec![&mut grant.insert, &mut grant.update],
            Self::Delete => Vec::new(),
        }
    }
}

const CREATE_TABLES: &str = "create-tables";

impl FromStr for GrantRef {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let parse = || {
            let (access, rest) = text.split_once(':')?;
            let access = Access::ALL.into_iter().find(|known| known.as_str() == access)?;
            let (table, column) = match rest.split_once('.') {
                Some((table, column)) => (table, Some(SqlName::exact(column).ok()?)),
                None => (rest, None),
            };
            // Rows are deleted, not columns.
            let sensible = column.is_none() || access != Access::Delete;
            let table = SqlName::exact(table).ok()?;
            sensible.then_some(Self::Table { access, table, column })
        };
        if text == CREATE_TABLES {
            return Ok(Self::CreateTables);
        }
        parse().ok_or_else(|| SelectionError::Unreadable { text: text.chars().take(100).collect() })
    }
}

impl TryFrom<String> for GrantRef {
    type Error = SelectionError;

    fn try_from(text: String) -> Result<Self, SelectionError> {
        text.parse()
    }
}

impl From<GrantRef> for String {
    fn from(reference: GrantRef) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for GrantRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTables => f.write_str(CREATE_TABLES),
            Self::Table { access, table, column: None } => write!(f, "{}:{table}", access.as_str()),
            Self::Table { access, table, column: Some(column) } => {
                write!(f, "{}:{table}.{column}", access.as_str())
            }
        }
    }
}

/// Why a selection cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// Not a reference to a permission.
    #[error("`{text}` is no permission: write `read:table`, `write:table.column` or `create-tables`")]
    Unreadable {
        /// As written.
        text: String,
    },
    /// The manifest does not ask for it.
    #[error("`{reference}` is not requested by the manifest")]
    NotRequested {
        /// The reference.
        reference: GrantRef,
    },
    /// A column of a table whose columns are not known.
    #[error("`{reference}` names a column, and the columns of the table are not known")]
    UnknownColumns {
        /// The reference.
        reference: GrantRef,
    },
}

/// Knows the columns of a physical table, so that one can be taken out of all.
pub type ColumnsOf<'a> = dyn Fn(&SqlName) -> Option<BTreeSet<SqlName>> + 'a;

/// What an admin grants: all that is requested, or only what `grant` lists; minus what `deny` lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Only these; everything requested when `None`.
    pub grant: Option<Vec<GrantRef>>,
    /// Never these.
    #[serde(default)]
    pub deny: Vec<GrantRef>,
}

impl ValidatedManifest {
    /// The requested grants without what is denied.
    ///
    /// # Errors
    ///
    /// When a reference matches nothing requested, or a column of a table with unknown columns.
    pub fn narrow(&self, denied: &[GrantRef], columns: &ColumnsOf<'_>) -> Result<Grants, SelectionError> {
        self.select(&Selection { grant: None, deny: denied.to_vec() }, columns)
    }

    /// The requested grants that a selection leaves.
    ///
    /// # Errors
    ///
    /// When a reference matches nothing requested, or a column of a table with unknown columns.
    pub fn select(&self, selection: &Selection, columns: &ColumnsOf<'_>) -> Result<Grants, SelectionError> {
        let picker = Picker { manifest: self, columns };
        let mut granted = match &selection.grant {
            None => self.requests.clone(),
            Some(references) => picker.only(references)?,
        };
        for reference in &selection.deny {
            picker.deny(reference, &mut granted)?;
        }
        Ok(self.seal(granted))
    }
}

struct Picker<'a> {
    manifest: &'a ValidatedManifest,
    columns: &'a ColumnsOf<'a>,
}

impl Picker<'_> {
    /// What the references pick out of what is requested.
    fn only(&self, references: &[GrantRef]) -> Result<Requests, SelectionError> {
        let mut granted = Requests::new();
        for reference in references {
            match reference {
                GrantRef::CreateTables => {
                    for name in self.own_tables(reference)? {
                        let requested = self.manifest.requests.get(&name).cloned().unwrap_or_default();
                        granted.insert(name, requested);
                    }
                }
                GrantRef::Table { access, table, column } => {
                    let (name, mut requested) = self.requested(reference, *access, table)?;
                    let grant = granted.entry(name).or_default();
                    if *access == Access::Delete {
                        grant.delete = true;
                    }
                    let parts = access.columns(&mut requested).into_iter().map(|part| part.take());
                    let picked: Vec<_> = parts.map(|part| pick(part, column.as_ref())).collect();
                    if *access != Access::Delete && picked.iter().all(Option::is_none) {
                        return Err(SelectionError::NotRequested { reference: reference.clone() });
                    }
                    for (part, picked) in access.columns(grant).into_iter().zip(picked) {
                        *part = merge(part.take(), picked);
                    }
                }
            }
        }
        Ok(granted)
    }

    /// Takes what a reference names out of what is granted so far.
    fn deny(&self, reference: &GrantRef, granted: &mut Requests) -> Result<(), SelectionError> {
        let (access, table, column) = match reference {
            GrantRef::CreateTables => {
                for name in self.own_tables(reference)? {
                    granted.remove(&name);
                }
                return Ok(());
            }
            GrantRef::Table { access, table, column } => (*access, table, column),
        };
        let (name, _) = self.requested(reference, access, table)?;
        let Some(grant) = granted.get_mut(&name) else { return Ok(()) };
        if access == Access::Delete {
            grant.delete = false;
        }
        for part in access.columns(grant) {
            *part = match (part.take(), column) {
                (None, _) | (_, None) => None,
                (Some(columns), Some(column)) => Some(self.without(columns, column, &name, reference)?),
            };
        }
        Ok(())
    }

    fn without(
        &self,
        columns: Columns,
        column: &SqlName,
        table: &SqlName,
        reference: &GrantRef,
    ) -> Result<Columns, SelectionError> {
        let mut names = match columns {
            Columns::Only(names) => names,
            Columns::All => self
                .columns_of(table)
                .filter(|names| names.contains(column))
                .ok_or_else(|| SelectionError::UnknownColumns { reference: reference.clone() })?,
        };
        names.remove(column);
        Ok(Columns::Only(names))
    }

    fn columns_of(&self, table: &SqlName) -> Option<BTreeSet<SqlName>> {
        let own = self.manifest.own_table(table);
        own.map_or_else(
            || (self.columns)(table),
            |own| Some(own.columns().iter().map(|column| column.name().clone()).collect()),
        )
    }

    fn own_tables(&self, reference: &GrantRef) -> Result<Vec<SqlName>, SelectionError> {
        if !self.manifest.creates_tables() {
            return Err(SelectionError::NotRequested { reference: reference.clone() });
        }
        Ok(self.manifest.tables().iter().map(|own| own.physical().name().clone()).collect())
    }

    /// The physical table and what is requested on it, if the access is among that.
    fn requested(
        &self,
        reference: &GrantRef,
        access: Access,
        table: &SqlName,
    ) -> Result<(SqlName, TableGrant), SelectionError> {
        let own = self.manifest.own_table(table);
        let name = own.map_or_else(|| table.clone(), |own| own.physical().name().clone());
        let mut grant = self.manifest.requests.get(&name).cloned().unwrap_or_default();
        let any = grant.delete && access == Access::Delete
            || access.columns(&mut grant).into_iter().any(|part| part.is_some());
        if any {
            Ok((name, grant))
        } else {
            Err(SelectionError::NotRequested { reference: reference.clone() })
        }
    }
}

/// What is left of requested columns when one, or all of them, are picked.
fn pick(requested: Option<Columns>, column: Option<&SqlName>) -> Option<Columns> {
    match (requested?, column) {
        (columns, None) => Some(columns),
        (columns, Some(column)) => {
            columns.contains(column).then(|| Columns::Only(BTreeSet::from([column.clone()])))
        }
    }
}

fn merge(before: Option<Columns>, more: Option<Columns>) -> Option<Columns> {
    match (before, more) {
        (Some(Columns::All), _) | (_, Some(Columns::All)) => Some(Columns::All),
        (Some(Columns::Only(mut names)), Some(Columns::Only(more))) => {
            names.extend(more);
            Some(Columns::Only(names))
        }
        (columns, None) | (None, columns) => columns,
    }
}
