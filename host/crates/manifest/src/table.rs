//! An applet's own table as it will be made: what the manifest declares, completed with what is always
//! there (SPEC S4.21, S4.22, Decision 7).
//!
//! *Invariant:* only validation makes these, so a name here is a usable name, a type a known type, a
//! default a value of it, and every index and foreign key names columns that exist.

use std::fmt;

use applet_types::{PhysicalTable, SqlName};
use serde::Serialize;

use crate::column_type::ColumnType;
use crate::default_value::DefaultValue;

/// An own table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnTable {
    pub(crate) name: SqlName,
    pub(crate) physical: PhysicalTable,
    pub(crate) description: Option<String>,
    pub(crate) primary: SqlName,
    pub(crate) columns: Vec<OwnColumn>,
    pub(crate) indexes: Vec<OwnIndex>,
}

impl OwnTable {
    /// The name that the applet declares and uses.
    pub const fn name(&self) -> &SqlName {
        &self.name
    }

    /// The name in the database.
    pub const fn physical(&self) -> &PhysicalTable {
        &self.physical
    }

    /// What it holds, in the applet's words.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The column declared as primary. In the database the key is `(tenant_id, primary)`.
    pub const fn primary(&self) -> &SqlName {
        &self.primary
    }

    /// All columns in order: `created_at` and `updated_at` last, unless the manifest places them.
    pub fn columns(&self) -> &[OwnColumn] {
        &self.columns
    }

    /// The column of this name.
    pub fn column(&self, name: &SqlName) -> Option<&OwnColumn> {
        self.columns.iter().find(|column| column.name == *name)
    }

    /// All indexes but the primary key's, each with `tenant_id` first, none twice, none that the primary
    /// key makes superfluous.
    pub fn indexes(&self) -> &[OwnIndex] {
        &self.indexes
    }

    /// Whether `(tenant_id, column)` is a unique key, so that a foreign key can point at it.
    pub fn has_key_on(&self, column: &SqlName) -> bool {
        let on_index = |index: &OwnIndex| match index.columns.as_slice() {
            [_, only] => index.unique && only == column,
            _ => false,
        };
        self.primary == *column || self.indexes.iter().any(on_index)
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnColumn {
    pub(crate) name: SqlName,
    pub(crate) column_type: ColumnType,
    pub(crate) nullable: bool,
    pub(crate) default: Option<DefaultValue>,
    pub(crate) foreign_key: Option<OwnForeignKey>,
}

impl OwnColumn {
    /// Its name.
    pub const fn name(&self) -> &SqlName {
        &self.name
    }

    /// Its type.
    pub const fn column_type(&self) -> ColumnType {
        self.column_type
    }

    /// Whether NULL is allowed.
    pub const fn nullable(&self) -> bool {
        self.nullable
    }

    /// Its default.
    pub const fn default(&self) -> Option<&DefaultValue> {
        self.default.as_ref()
    }

    /// What its values have to exist in.
    pub const fn foreign_key(&self) -> Option<&OwnForeignKey> {
        self.foreign_key.as_ref()
    }
}

/// An index. Its columns begin with `tenant_id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OwnIndex {
    pub(crate) columns: Vec<SqlName>,
    pub(crate) unique: bool,
}

impl OwnIndex {
    /// Its columns, `tenant_id` first.
    pub fn columns(&self) -> &[SqlName] {
        &self.columns
    }

    /// Whether it is unique.
    pub const fn unique(&self) -> bool {
        self.unique
    }
}

/// A foreign key of one column. In the database it spans `(tenant_id, column)` on both sides, unless it
/// points at `tenants`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnForeignKey {
    pub(crate) target: Target,
    pub(crate) column: SqlName,
    pub(crate) on_delete: OnDelete,
}

impl OwnForeignKey {
    /// What the tenant column of every own table has.
    pub(crate) fn to_tenants() -> Option<Self> {
        let column = SqlName::exact("id").ok()?;
        Some(Self { target: Target::Tenants, column, on_delete: OnDelete::Cascade })
    }

    /// The table that is pointed at.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The column that is pointed at.
    pub const fn column(&self) -> &SqlName {
        &self.column
    }

    /// What happens when the row that is pointed at goes.
    pub const fn on_delete(&self) -> OnDelete {
        self.on_delete
    }
}

/// A table that a foreign key points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// `tenants`, by its `id`.
    Tenants,
    /// Another own table of the same applet, or the same one.
    Own(PhysicalTable),
    /// A table that was there before; whether it has the key is for the plan to find out.
    Shared(SqlName),
}

impl Target {
    /// The physical name.
    pub fn name(&self) -> &str {
        match self {
            Self::Tenants => TENANTS,
            Self::Own(table) => table.name().as_str(),
            Self::Shared(name) => name.as_str(),
        }
    }
}

/// The platform's table of tenants.
pub(crate) const TENANTS: &str = "tenants";

/// What happens to rows that point at a row that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDelete {
    /// They are deleted as well.
    Cascade,
    /// They point at nothing.
    SetNull,
    /// The deletion is refused at once.
    Restrict,
    /// The deletion is refused at the end of its statement.
    NoAction,
}

impl OnDelete {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Cascade, Self::SetNull, Self::Restrict, Self::NoAction];

    /// As SQL writes it.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::Restrict => "RESTRICT",
            Self::NoAction => "NO ACTION",
        }
    }
}

impl fmt::Display for OnDelete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sql())
    }
}
