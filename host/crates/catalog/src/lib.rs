//! What a database looks like: tables, columns, keys, and which wall stands where.
//!
//! *Invariant:* pure data, no I/O. `datasource` reads a live database into a [`Catalog`]; `gate`, `plan`
//! and `proxy` only look things up here. What a table *is* (tenant-scoped and by which column, soft
//! deletable, global) is derived from the database's own catalogue, never configured (SPEC Decision 2).

use std::collections::BTreeMap;

use applet_types::{SqlName, TenantForm};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// All tables that the host knows in one database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    tables: BTreeMap<SqlName, Table>,
    #[serde(default)]
    tenant_form: TenantForm,
}

impl Catalog {
    /// Collects tables; a later one of the same name replaces an earlier one.
    pub fn new(tables: impl IntoIterator<Item = Table>) -> Self {
        let tables = tables.into_iter().map(|table| (table.name.clone(), table)).collect();
        Self { tables, tenant_form: TenantForm::default() }
    }

    /// The same for a database that takes the tenant in this form. Left out of digests: what the database
    /// holds is the same in both.
    #[must_use]
    pub fn taking_tenant(mut self, form: TenantForm) -> Self {
        self.tenant_form = form;
        self
    }

    /// How sessions tell this database their tenant, and so what policies have to ask.
    pub const fn tenant_form(&self) -> TenantForm {
        self.tenant_form
    }

    /// The table of this name, whoever may see it.
    pub fn table(&self, name: &SqlName) -> Option<&Table> {
        self.tables.get(name)
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// The names of a table's unique and foreign keys that do not start with the tenant column: existence
    /// oracles across tenants, unless the operator allows writing their columns (SPEC Decision 7). None are
    /// a foreign key to `tenants` or to a global reference, whose rows are everybody's, and a key that the
    /// database generates.
    pub fn global_keys<'a>(&self, table: &'a Table) -> Vec<&'a str> {
        let Some(tenant) = table.tenant_column() else { return Vec::new() };
        let generated = |columns: &[SqlName]| match columns {
            [only] => table.column(only).is_some_and(|column| column.generation != Generation::None),
            _ => false,
        };
        let everybodys = |target: &SqlName| {
            target.as_str() == "tenants"
                || self.table(target).is_some_and(|target| target.tenancy == Tenancy::Global)
        };
        let unique = table
            .unique_keys
            .iter()
            .filter(|key| key.columns.first() != Some(tenant) && !generated(&key.columns))
            .map(|key| key.name.as_str());
        let foreign = table
            .foreign_keys
            .iter()
            .filter(|key| key.columns.first() != Some(tenant) && !everybodys(&key.target))
            .map(|key| key.name.as_str());
        unique.chain(foreign).collect()
    }

    /// SHA-256 over everything known, as hexadecimal text: unchanged digest, unchanged database.
    pub fn digest(&self) -> String {
        digest_of(self.tables.values())
    }

    /// The digest of just these tables (a plan covers the relations it names, not the whole catalogue).
    /// Missing tables count as missing.
    pub fn digest_of(&self, names: impl IntoIterator<Item = SqlName>) -> String {
        digest_of(names.into_iter().map(|name| self.tables.get(&name).ok_or(name)))
    }
}

fn digest_of(tables: impl Iterator<Item = impl Serialize>) -> String {
    let mut hash = Sha256::new();
    for table in tables {
        // Plain structs of strings, bools and maps with string keys: serialising cannot fail.
        let text = serde_json::to_vec(&table).unwrap_or_default();
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(&text);
    }
    hex::encode(hash.finalize())
}

/// How a table's rows belong to tenants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tenancy {
    /// Each row belongs to the tenant in this column (`tenant_id`; for `tenants` itself, `id`).
    Column(SqlName),
    /// The operator listed it as a global, read-only reference: the same rows for everybody.
    Global,
    /// Has no tenant column and is not listed: invisible to applets.
    Invisible,
}

/// Where a column's value comes from when an INSERT does not supply it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generation {
    /// Nothing but its default, if it has one.
    None,
    /// A sequence (serial or identity): the database generates it.
    Sequence,
    /// `GENERATED ALWAYS AS (…) STORED`: nobody can write it.
    Stored,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: SqlName,
    /// Its type as PostgreSQL prints it (`format_type`): `character varying(100)`, `bigint`, `text[]`.
    pub sql_type: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// The default expression as PostgreSQL prints it.
    pub default: Option<String>,
    /// Whether the database generates its value.
    pub generation: Generation,
}

/// A unique key, the primary key included. Columns in index order; expressions are not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniqueKey {
    /// The constraint's or index's name.
    pub name: String,
    /// The columns.
    pub columns: Vec<SqlName>,
    /// Whether it is the primary key.
    pub primary: bool,
    /// Whether it is partial or has expressions, so that it cannot be a foreign key's target.
    pub partial: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The constraint's name.
    pub name: String,
    /// The referencing columns.
    pub columns: Vec<SqlName>,
    /// The referenced table.
    pub target: SqlName,
    /// The referenced columns.
    pub target_columns: Vec<SqlName>,
}

/// The state of the second wall on a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSecurity {
    /// ENABLE ROW LEVEL SECURITY.
    pub enabled: bool,
    /// FORCE ROW LEVEL SECURITY.
    pub forced: bool,
    /// Whether our tenant policy for `applet_guest` is in place.
    pub tenant_policy: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The schema that the gate prints.
    pub schema: SqlName,
    /// Its physical name.
    pub name: SqlName,
    /// Its columns, in the order of the table.
    pub columns: Vec<Column>,
    /// How its rows belong to tenants.
    pub tenancy: Tenancy,
    /// Unique keys, the primary key first.
    pub unique_keys: Vec<UniqueKey>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// The second wall. Left out of digests: adopting a table does not change what a plan says.
    #[serde(skip)]
    pub row_security: RowSecurity,
    /// The owner role. Left out of digests as well.
    #[serde(skip)]
    pub owner: String,
}

impl Table {
    /// The column of this name.
    pub fn column(&self, name: &SqlName) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == *name)
    }

    /// The tenant column, if rows belong to tenants.
    pub const fn tenant_column(&self) -> Option<&SqlName> {
        match &self.tenancy {
            Tenancy::Column(name) => Some(name),
            Tenancy::Global | Tenancy::Invisible => None,
        }
    }

    /// Whether rows can be soft deleted: there is a nullable `deleted_at`.
    pub fn soft_deletable(&self) -> bool {
        self.columns.iter().any(|column| column.name.as_str() == "deleted_at" && column.nullable)
    }

    /// The primary key.
    pub fn primary_key(&self) -> Option<&UniqueKey> {
        self.unique_keys.iter().find(|key| key.primary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SqlName {
        text.parse().unwrap()
    }

    fn table(text: &str, tenancy: Tenancy, foreign_keys: Vec<ForeignKey>) -> Table {
        Table {
            schema: name("public"),
            name: name(text),
            columns: Vec::new(),
            tenancy,
            unique_keys: Vec::new(),
            foreign_keys,
            row_security: RowSecurity::default(),
            owner: String::new(),
        }
    }

    fn key_to(target: &str) -> ForeignKey {
        ForeignKey {
            name: format!("to_{target}"),
            columns: vec![name("code")],
            target: name(target),
            target_columns: vec![name("code")],
        }
    }

    #[test]
    fn f2_a_key_to_rows_of_everybody_is_no_oracle_and_a_key_to_rows_of_tenants_is() {
        let mine = || Tenancy::Column(name("tenant_id"));
        let keys = ["countries", "tenants", "chats", "secrets"].map(key_to).to_vec();
        let catalog = Catalog::new([
            table("clients", mine(), keys),
            table("countries", Tenancy::Global, Vec::new()),
            table("chats", mine(), Vec::new()),
            table("secrets", Tenancy::Invisible, Vec::new()),
        ]);
        let clients = catalog.table(&name("clients")).unwrap();
        assert_eq!(catalog.global_keys(clients), ["to_chats", "to_secrets"]);
    }
}
