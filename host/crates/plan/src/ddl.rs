//! Statements, printed from checked names, types and values.

use applet_catalog::Table;
use applet_manifest::{OnDelete, OwnColumn, OwnIndex, OwnTable};
use applet_types::{SqlName, TenantForm};
use serde::Serialize;

use crate::names::{ident, idents, object_name};

/// The column of the tenant in every own table.
pub(crate) const TENANT_ID: &str = "tenant_id";

/// The condition that the second wall puts on rows. The sub-select makes reading the setting one step per
/// statement; unset or empty it is NULL, and no row matches. The same text as for tables that were adopted.
const fn mine(form: TenantForm) -> &'static str {
    match form {
        TenantForm::Plain => "tenant_id = (SELECT nullif(current_setting('applet.tenant', true), '')::uuid)",
        TenantForm::Signed => "tenant_id = (SELECT applet_host.tenant())",
    }
}

/// A statement of a plan, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DdlStatement {
    sql: String,
    locks: Vec<Lock>,
    rewrites_table: bool,
    loses_data: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    alone: bool,
}

impl DdlStatement {
    /// The text.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Tables that others wait for while the transaction lasts. A table that the same plan makes is named
    /// as well: whoever joins it finds it locked for as long.
    pub fn locks(&self) -> &[Lock] {
        &self.locks
    }

    /// Whether all rows are written anew.
    pub const fn rewrites_table(&self) -> bool {
        self.rewrites_table
    }

    /// Whether data is gone afterwards.
    pub const fn loses_data(&self) -> bool {
        self.loses_data
    }

    /// Whether it runs outside of any transaction: it takes long and lets readers and writers through.
    pub const fn alone(&self) -> bool {
        self.alone
    }

    /// A statement that adds something: nothing is rewritten, nothing lost.
    pub(crate) const fn additive(sql: String, locks: Vec<Lock>) -> Self {
        Self { sql, locks, rewrites_table: false, loses_data: false, alone: false }
    }

    /// The same, outside of any transaction.
    pub(crate) const fn beside(sql: String, locks: Vec<Lock>) -> Self {
        Self { sql, locks, rewrites_table: false, loses_data: false, alone: true }
    }
}

impl AsRef<str> for DdlStatement {
    fn as_ref(&self) -> &str {
        &self.sql
    }
}

/// A lock that a statement takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lock {
    /// The table.
    pub table: String,
    /// How strong.
    pub level: LockLevel,
}

/// PostgreSQL's lock levels, as far as plans take them, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockLevel {
    /// Reads and writes go on; other changes of the table wait.
    ShareUpdateExclusive,
    /// Writes wait.
    Share,
    /// Writes and other changes of the table wait.
    ShareRowExclusive,
    /// Everything waits, reads included.
    AccessExclusive,
}

impl LockLevel {
    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShareUpdateExclusive => "share update exclusive",
            Self::Share => "share",
            Self::ShareRowExclusive => "share row exclusive",
            Self::AccessExclusive => "access exclusive",
        }
    }
}

/// Where own tables are made: the schema of `tenants`.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) schema: SqlName,
    /// How the database takes the tenant.
    pub(crate) tenant_form: TenantForm,
}

impl Home {
    /// An own table's full name.
    pub(crate) fn own(&self, physical: &SqlName) -> String {
        format!("{}.{}", ident(&self.schema), ident(physical))
    }
}

/// A foreign key to another table than `tenants`, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedKey {
    pub(crate) table: SqlName,
    pub(crate) column: SqlName,
    pub(crate) target_schema: SqlName,
    pub(crate) target: SqlName,
    pub(crate) target_tenant: SqlName,
    pub(crate) target_column: SqlName,
    pub(crate) on_delete: OnDelete,
}

impl ResolvedKey {
    /// The constraint's name.
    pub(crate) fn name(&self) -> String {
        object_name(&self.table, [&self.column], "fkey")
    }
}

/// Makes a table with its indexes and its wall.
pub(crate) fn table(table: &OwnTable, home: &Home) -> Vec<DdlStatement> {
    let physical = table.physical().name();
    let full = home.own(physical);
    let mut statements = vec![create(table, home)];
    statements.extend(table.indexes().iter().map(|each| index(each, physical, &full)));
    statements.extend(wall(physical, &full, home.tenant_form));
    statements
}

fn create(table: &OwnTable, home: &Home) -> DdlStatement {
    let physical = table.physical().name();
    let mut lines: Vec<String> = table.columns().iter().map(column).collect();
    let primary = object_name(physical, [], "pkey");
    lines.push(format!("CONSTRAINT {primary} PRIMARY KEY ({TENANT_ID}, {})", ident(table.primary())));
    let tenant = format!("{physical}_{TENANT_ID}_fkey");
    let tenant = if tenant.len() > applet_types::MAX_IDENTIFIER_BYTES {
        object_name(physical, [], "tenant_fkey")
    } else {
        tenant
    };
    lines.push(format!(
        "CONSTRAINT {tenant} FOREIGN KEY ({TENANT_ID}) REFERENCES {}.tenants (id) ON DELETE CASCADE",
        ident(&home.schema),
    ));
    let sql = format!("CREATE TABLE IF NOT EXISTS {} (\n  {}\n)", home.own(physical), lines.join(",\n  "));
    DdlStatement::additive(
        sql,
        vec![Lock { table: "tenants".to_owned(), level: LockLevel::ShareRowExclusive }],
    )
}

pub(crate) fn column(column: &OwnColumn) -> String {
    let kind = column.column_type();
    let mut text = format!("{} {}", ident(column.name()), kind.sql());
    if kind.generated() {
        text.push_str(" GENERATED ALWAYS AS IDENTITY");
    }
    if !column.nullable() {
        text.push_str(" NOT NULL");
    }
    if let Some(default) = column.default() {
        text.push_str(" DEFAULT ");
        text.push_str(&default.sql(kind));
    }
    text
}

/// The name of an index of an own table.
pub(crate) fn index_name(index: &OwnIndex, physical: &SqlName) -> String {
    object_name(physical, index.columns(), if index.unique() { "key" } else { "idx" })
}

fn index(index: &OwnIndex, physical: &SqlName, full: &str) -> DdlStatement {
    let unique = if index.unique() { "UNIQUE " } else { "" };
    let name = index_name(index, physical);
    let sql = format!("CREATE {unique}INDEX IF NOT EXISTS {name} ON {full} ({})", idents(index.columns()));
    DdlStatement::additive(sql, vec![Lock { table: physical.to_string(), level: LockLevel::Share }])
}

/// Row security for everybody, the owner included, and the two policies of the second wall: one lets a
/// tenant's rows through, the other keeps any further policy from letting more through.
fn wall(physical: &SqlName, full: &str, form: TenantForm) -> Vec<DdlStatement> {
    let mine = mine(form);
    let mut texts = vec![
        format!("ALTER TABLE {full} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {full} FORCE ROW LEVEL SECURITY"),
    ];
    for (name, kind) in POLICIES {
        texts.push(format!("DROP POLICY IF EXISTS {name} ON {full}"));
        texts.push(format!(
            "CREATE POLICY {name} ON {full} AS {kind} FOR ALL TO applet_guest USING ({mine}) WITH CHECK ({mine})"
        ));
    }
    let lock = || vec![Lock { table: physical.to_string(), level: LockLevel::AccessExclusive }];
    texts.into_iter().map(|sql| DdlStatement::additive(sql, lock())).collect()
}

/// The policies of the second wall.
pub(crate) const POLICIES: [(&str, &str); 2] =
    [("tenant_rows", "PERMISSIVE"), ("tenant_wall", "RESTRICTIVE")];

/// Adds a foreign key: `(tenant_id, column)` on both sides, so that a row can only point at a row of the
/// same tenant. SET NULL names the column, because it would take the tenant away as well.
pub(crate) fn foreign_key(key: &ResolvedKey, home: &Home) -> DdlStatement {
    let locked = [&key.table, &key.target].map(SqlName::to_string);
    let locks = locked.map(|table| Lock { table, level: LockLevel::ShareRowExclusive });
    DdlStatement::additive(foreign_key_text(key, home), locks.into())
}

pub(crate) fn foreign_key_text(key: &ResolvedKey, home: &Home) -> String {
    let on_delete = match key.on_delete {
        OnDelete::SetNull => format!("SET NULL ({})", ident(&key.column)),
        other => other.sql().to_owned(),
    };
    format!(
        "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({TENANT_ID}, {}) REFERENCES {}.{} ({}, {}) ON DELETE {on_delete}",
        home.own(&key.table),
        key.name(),
        ident(&key.column),
        ident(&key.target_schema),
        ident(&key.target),
        ident(&key.target_tenant),
        ident(&key.target_column),
    )
}

/// A table's foreign key target, when the key spans the tenant.
pub(crate) fn key_of(table: &Table, tenant: &SqlName, column: &SqlName) -> bool {
    let spans = |columns: &[SqlName]| match columns {
        [first, second] => first == tenant && second == column,
        _ => false,
    };
    table.unique_keys.iter().any(|key| !key.partial && spans(&key.columns))
}
