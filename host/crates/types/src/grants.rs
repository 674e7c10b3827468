//! What an installation may do: table by table, operation by operation, column by column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{PhysicalTable, SqlName};

/// What a statement does to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Rows or columns are read, be it only in a condition.
    Read,
    /// Rows are added.
    Insert,
    /// Rows are changed.
    Update,
    /// `deleted_at` is set; in SQL an update of that column.
    SoftDelete,
    /// Rows are removed.
    HardDelete,
}

impl Operation {
    /// The stable name, as in manifests, errors and the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::SoftDelete => "soft-delete",
            Self::HardDelete => "hard-delete",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which columns of a table a grant covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Columns {
    /// Every column, those added later included.
    All,
    /// These only.
    Only(BTreeSet<SqlName>),
}

impl Columns {
    /// Whether the grant covers this column.
    pub fn contains(&self, column: &SqlName) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(column),
        }
    }

    /// Whether everything that `other` covers is covered.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(names), Self::Only(others)) => others.is_subset(names),
        }
    }

    /// What either covers.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Only(a), Self::Only(b)) => Self::Only(a.union(b).cloned().collect()),
        }
    }

    /// What both cover.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, columns) | (columns, Self::All) => columns.clone(),
            (Self::Only(a), Self::Only(b)) => Self::Only(a.intersection(b).cloned().collect()),
        }
    }
}

/// What may be done with one table. `None` and `false` mean: not granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableGrant {
    /// Columns that may be read.
    pub read: Option<Columns>,
    /// Columns that an INSERT may supply.
    pub insert: Option<Columns>,
    /// Columns that an UPDATE may assign. A grant of soft delete alone is an update of `deleted_at` only.
    pub update: Option<Columns>,
    /// Whether rows may be removed (hard delete).
    pub delete: bool,
}

impl TableGrant {
    /// The columns that one operation covers; a hard delete takes whole rows.
    pub fn part(&self, operation: Operation) -> Option<Columns> {
        match operation {
            Operation::Read => self.read.clone(),
            Operation::Insert => self.insert.clone(),
            Operation::Update | Operation::SoftDelete => self.update.clone(),
            Operation::HardDelete => self.delete.then_some(Columns::All),
        }
    }

    /// Replaces what one operation covers.
    pub fn set_part(&mut self, operation: Operation, columns: Option<Columns>) {
        match operation {
            Operation::Read => self.read = columns,
            Operation::Insert => self.insert = columns,
            Operation::Update | Operation::SoftDelete => self.update = columns,
            Operation::HardDelete => self.delete = columns.is_some(),
        }
    }

    /// Whether anything at all is granted.
    pub const fn is_empty(&self) -> bool {
        self.read.is_none() && self.insert.is_none() && self.update.is_none() && !self.delete
    }
}

/// SHA-256 over the canonical form of a set of grants. Installations with equal grants have equal
/// digests and share a database role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantsDigest([u8; 32]);

impl GrantsDigest {
    /// The first 12 hexadecimal digits: enough to tell roles of one applet apart.
    pub fn short(&self) -> String {
        hex::encode(self.0).chars().take(12).collect()
    }
}

impl fmt::Display for GrantsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for GrantsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantsDigest({})", self.short())
    }
}

/// What an installation may do in its database: lowered from a manifest *and* an approval, so granted
/// never exceeds requested. Keys are physical table names; an applet's own tables can also be reached
/// by the name their manifest declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    tables: BTreeMap<SqlName, TableGrant>,
    own: BTreeMap<SqlName, PhysicalTable>,
    withheld: BTreeMap<SqlName, TableGrant>,
    digest: GrantsDigest,
}

impl Grants {
    /// Starts an empty set.
    pub fn builder() -> GrantsBuilder {
        GrantsBuilder::default()
    }

    /// The physical table a guest means by this name: a declared own name, or the name itself.
    pub fn resolve<'a>(&'a self, name: &'a SqlName) -> &'a SqlName {
        self.own.get(name).map_or(name, PhysicalTable::name)
    }

    /// The grant for a physical table, if there is one.
    pub fn table(&self, physical: &SqlName) -> Option<&TableGrant> {
        self.tables.get(physical)
    }

    /// All granted tables by physical name, in order.
    pub fn tables(&self) -> impl Iterator<Item = (&SqlName, &TableGrant)> {
        self.tables.iter()
    }

    /// The applet's own tables: declared name and physical name, in order.
    pub fn own_tables(&self) -> impl Iterator<Item = (&SqlName, &PhysicalTable)> {
        self.own.iter()
    }

    /// Whether this physical table is one of the applet's own.
    pub fn is_own(&self, physical: &SqlName) -> bool {
        self.own.values().any(|table| table.name() == physical)
    }

    /// Requests of which not everything was granted, by the names that a guest may use for the table.
    pub fn withheld(&self) -> impl Iterator<Item = (&SqlName, &TableGrant)> {
        self.withheld.iter()
    }

    /// Whether the manifest asks for this and an admin has not granted it: worth another answer than what
    /// was never asked for. Says nothing of whether the table exists.
    pub fn is_withheld(&self, table: &SqlName, operation: Operation, column: Option<&SqlName>) -> bool {
        let asked = self.withheld.get(table).and_then(|grant| grant.part(operation));
        asked.is_some_and(|columns| column.is_none_or(|column| columns.contains(column)))
    }

    /// The digest over everything granted.
    pub const fn digest(&self) -> GrantsDigest {
        self.digest
    }
}

/// Collects grants; [`GrantsBuilder::build`] seals them with their digest.
#[derive(Debug, Default)]
pub struct GrantsBuilder {
    tables: BTreeMap<SqlName, TableGrant>,
    own: BTreeMap<SqlName, PhysicalTable>,
    withheld: BTreeMap<SqlName, TableGrant>,
}

impl GrantsBuilder {
    /// The grant of one table, made on first use.
    pub fn table(&mut self, physical: SqlName) -> &mut TableGrant {
        self.tables.entry(physical).or_default()
    }

    /// Declares an own table: the declared name becomes an alias of the physical one.
    pub fn own_table(&mut self, declared: SqlName, physical: PhysicalTable) -> &mut TableGrant {
        let name = physical.name().clone();
        self.own.insert(declared, physical);
        self.table(name)
    }

    /// Notes a request of which not everything is granted, by a name that a guest may use. Grants nothing.
    pub fn withheld(&mut self, name: SqlName, requested: TableGrant) {
        self.withheld.insert(name, requested);
    }

    /// Seals the set. Tables for which nothing is granted are left out. What is withheld counts for the
    /// digest: it decides how a refusal reads.
    pub fn build(self) -> Grants {
        let tables: BTreeMap<_, _> = self.tables.into_iter().filter(|(_, grant)| !grant.is_empty()).collect();
        let mut hash = Sha256::new();
        for (name, grant) in &tables {
            hash_grant(&mut hash, "table", name, grant);
        }
        for (declared, physical) in &self.own {
            hash_text(&mut hash, "own", declared.as_str());
            hash_text(&mut hash, "is", physical.name().as_str());
        }
        for (name, grant) in &self.withheld {
            hash_grant(&mut hash, "withheld", name, grant);
        }
        let digest = GrantsDigest(hash.finalize().into());
        Grants { tables, own: self.own, withheld: self.withheld, digest }
    }
}

fn hash_grant(hash: &mut Sha256, label: &str, name: &SqlName, grant: &TableGrant) {
    hash_text(hash, label, name.as_str());
    hash_columns(hash, "read", grant.read.as_ref());
    hash_columns(hash, "insert", grant.insert.as_ref());
    hash_columns(hash, "update", grant.update.as_ref());
    hash_text(hash, "delete", if grant.delete { "yes" } else { "no" });
}

/// Length-prefixed, so that no two different sets run together into the same bytes.
fn hash_text(hash: &mut Sha256, label: &str, text: &str) {
    hash.update((label.len() as u64).to_be_bytes());
    hash.update(label);
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

fn hash_columns(hash: &mut Sha256, label: &str, columns: Option<&Columns>) {
    match columns {
        None => hash_text(hash, label, "none"),
        Some(Columns::All) => hash_text(hash, label, "all"),
        Some(Columns::Only(names)) => {
            hash_text(hash, label, "only");
            for name in names {
                hash_text(hash, "column", name.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SqlName {
        text.parse().unwrap()
    }

    #[test]
    fn s4_8_digest_tells_different_grants_apart() {
        let mut read = Grants::builder();
        read.table(name("clients")).read = Some(Columns::All);
        let mut write = Grants::builder();
        write.table(name("clients")).insert = Some(Columns::All);
        assert_ne!(read.build().digest(), write.build().digest());
    }

    #[test]
    fn f7_what_was_asked_for_and_not_granted_is_known_column_by_column() {
        let mut builder = Grants::builder();
        builder.table(name("clients")).read = Some(Columns::Only([name("id")].into()));
        let asked = Columns::Only([name("id"), name("phone")].into());
        builder.withheld(name("clients"), TableGrant { read: Some(asked), ..TableGrant::default() });
        let grants = builder.build();
        let withheld =
            |operation, column: &str| grants.is_withheld(&name("clients"), operation, Some(&name(column)));
        assert!(withheld(Operation::Read, "phone"));
        assert!(!withheld(Operation::Read, "email"), "never asked for");
        assert!(!withheld(Operation::Update, "phone"), "never asked for");
        assert!(!grants.is_withheld(&name("chats"), Operation::Read, None));
    }

    #[test]
    fn s4_20_declared_and_physical_name_mean_the_same_table() {
        let physical = PhysicalTable::of(&"ai-chat".parse().unwrap(), &name("configs")).unwrap();
        let mut builder = Grants::builder();
        builder.own_table(name("configs"), physical.clone()).read = Some(Columns::All);
        let grants = builder.build();
        assert_eq!(grants.resolve(&name("configs")), physical.name());
        assert_eq!(grants.resolve(physical.name()), physical.name());
        assert!(grants.is_own(physical.name()));
    }
}
