//! Which rights a grant set means at the database: pure, so that it can be read and tested by itself.

use std::collections::{BTreeMap, BTreeSet};

use applet_catalog::{Catalog, Generation, Table, Tenancy};
use applet_types::{Columns, Grants, SqlName, TableGrant};

use crate::sql::{ident, idents};

/// One right on one object, or on one column of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub(super) struct Right {
    /// `TABLE`, `SEQUENCE`, `SCHEMA`, `DATABASE` or `FUNCTION`; anything else is never granted by us.
    pub(super) kind: String,
    /// Empty for schemas, databases and functions.
    pub(super) schema: String,
    /// A function's with its schema and arguments, quoted.
    pub(super) name: String,
    /// Empty for the whole object.
    pub(super) column_name: String,
    pub(super) privilege: String,
    pub(super) grantable: bool,
}

impl Right {
    /// The object as GRANT and REVOKE name it; `None` for what we never grant.
    pub(super) fn object(&self) -> Option<String> {
        match self.kind.as_str() {
            "SCHEMA" | "DATABASE" => Some(format!("{} {}", self.kind, ident(&self.name))),
            "TABLE" | "SEQUENCE" => {
                Some(format!("{} {}.{}", self.kind, ident(&self.schema), ident(&self.name)))
            }
            "FUNCTION" => Some(format!("FUNCTION {}", self.name)),
            _ => None,
        }
    }
}

/// A sequence from which a column takes its default.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Sequence {
    pub(super) table_schema: String,
    pub(super) table_name: String,
    pub(super) schema: String,
    pub(super) name: String,
}

/// What a role has to hold, no more and no less.
#[derive(Debug, Default)]
pub(super) struct Desired {
    pub(super) rights: BTreeSet<Right>,
    /// Granted tables that do not exist or that nobody may see.
    pub(super) missing: Vec<SqlName>,
}

/// Lowers grants to rights. Writing needs to find rows, so every write brings SELECT on the tenant column
/// and the key (S4.10); no write covers `created_at`, a generated `id` or, on update, `id` and the tenant
/// (S4.15). `tenant_id` may be inserted, because the gate supplies it; row security checks its value.
pub(super) fn desired(grants: &Grants, catalog: &Catalog, sequences: &[Sequence], database: &str) -> Desired {
    let mut desired = Desired::default();
    desired.add("DATABASE", "", database, "", "CONNECT");
    for (name, grant) in grants.tables() {
        match catalog.table(name) {
            Some(table) if table.tenancy != Tenancy::Invisible => {
                desired.table(table, grant, grants.is_own(name), sequences);
            }
            Some(_) | None => desired.missing.push(name.clone()),
        }
    }
    desired
}

/// Columns of a record. `id` and `xid` are the database's to fill in: who could choose them could slip a
/// record in among those that are sealed.
const RECORD: &[&str] = &[
    "at",
    "request",
    "tenant",
    "workspace",
    "applet",
    "installation",
    "user_id",
    "role",
    "operation",
    "tables",
    "sql",
    "rows",
    "duration_us",
    "error",
    "writer",
    "number",
];

/// What the role that writes the audit trail has to hold: it adds records, and says how far it has come.
pub(super) fn audit_rights(database: &str) -> BTreeSet<Right> {
    let mut desired = Desired::default();
    desired.add("DATABASE", "", database, "", "CONNECT");
    desired.add("SCHEMA", "", "applet_host", "", "USAGE");
    for column in RECORD {
        desired.add("TABLE", "applet_host", "audit", column, "INSERT");
    }
    for privilege in ["SELECT", "INSERT", "UPDATE"] {
        desired.add("TABLE", "applet_host", "audit_writers", "", privilege);
    }
    // The default of `xid`, which PUBLIC may not call.
    desired.add("FUNCTION", "", "pg_catalog.pg_current_xact_id()", "", "EXECUTE");
    desired.rights
}

/// What the role that watches over the read cache has to hold.
pub(super) fn cache_rights(database: &str) -> BTreeSet<Right> {
    let mut desired = Desired::default();
    desired.add("DATABASE", "", database, "", "CONNECT");
    desired.add("SCHEMA", "", "applet_host", "", "USAGE");
    for privilege in ["SELECT", "UPDATE"] {
        desired.add("TABLE", "applet_host", "cache_epoch", "", privilege);
    }
    for privilege in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
        desired.add("TABLE", "applet_host", "cache_writers", "", privilege);
    }
    desired.rights
}

/// What a host may do with its shares of the caps. It reaches the tables through these functions only.
const KEEPING: &[&str] = &[
    "pool_join(mine uuid)",
    "pool_extend(mine uuid)",
    "pool_take(mine uuid, asks text)",
    "pool_look(mine uuid)",
    "pool_put(mine uuid, shares text)",
    "pool_held(mine uuid)",
    "pool_leave(mine uuid)",
];

/// What the role that keeps a host's shares of the caps has to hold.
pub(super) fn pool_rights(database: &str) -> BTreeSet<Right> {
    let mut desired = Desired::default();
    desired.add("DATABASE", "", database, "", "CONNECT");
    desired.add("SCHEMA", "", "applet_host", "", "USAGE");
    for function in KEEPING {
        desired.add("FUNCTION", "", &format!("applet_host.{function}"), "", "EXECUTE");
    }
    desired.rights
}

impl Desired {
    fn add(&mut self, kind: &str, schema: &str, name: &str, column: &str, privilege: &str) {
        self.rights.insert(Right {
            kind: kind.to_owned(),
            schema: schema.to_owned(),
            name: name.to_owned(),
            column_name: column.to_owned(),
            privilege: privilege.to_owned(),
            grantable: false,
        });
    }

    fn columns<'a>(
        &mut self,
        table: &Table,
        columns: impl IntoIterator<Item = &'a SqlName>,
        privilege: &str,
    ) {
        for column in columns {
            self.add("TABLE", table.schema.as_str(), table.name.as_str(), column.as_str(), privilege);
        }
    }

    fn table(&mut self, table: &Table, grant: &TableGrant, own: bool, sequences: &[Sequence]) {
        let (schema, name) = (table.schema.as_str(), table.name.as_str());
        self.add("SCHEMA", "", schema, "", "USAGE");
        if let Some(columns) = &grant.read {
            self.columns(table, known(table, columns), "SELECT");
        }
        // A global table is a reference: nobody writes it, whatever a grant says.
        let Some(tenant) = table.tenant_column() else { return };
        self.columns(table, [tenant], "SELECT");
        if grant.insert.is_some() || grant.update.is_some() || grant.delete {
            let key: Vec<_> = table.primary_key().map(|key| key.columns.clone()).unwrap_or_default();
            self.columns(table, &key, "SELECT");
        }
        if let Some(columns) = &grant.insert {
            self.columns(table, [tenant], "INSERT");
            self.columns(table, known(table, columns).filter(|column| insertable(table, column)), "INSERT");
            for sequence in
                sequences.iter().filter(|row| row.table_schema == schema && row.table_name == name)
            {
                self.add("SEQUENCE", &sequence.schema, &sequence.name, "", "USAGE");
            }
        }
        if let Some(columns) = &grant.update {
            self.columns(table, known(table, columns).filter(|column| updatable(table, column)), "UPDATE");
            // The gate maintains it on an applet's own tables (S4.22).
            if own {
                let stamp = table
                    .columns
                    .iter()
                    .map(|column| &column.name)
                    .filter(|column| column.as_str() == "updated_at");
                self.columns(table, stamp, "UPDATE");
            }
        }
        if grant.delete {
            self.add("TABLE", schema, name, "", "DELETE");
        }
    }
}

fn known<'a>(table: &'a Table, columns: &'a Columns) -> impl Iterator<Item = &'a SqlName> {
    table.columns.iter().map(|column| &column.name).filter(|column| columns.contains(column))
}

fn generation(table: &Table, column: &SqlName) -> Generation {
    table.column(column).map_or(Generation::Stored, |column| column.generation)
}

fn insertable(table: &Table, column: &SqlName) -> bool {
    match (column.as_str(), generation(table, column)) {
        (_, Generation::Stored) | ("created_at", _) | ("id", Generation::Sequence) => false,
        (_, Generation::None | Generation::Sequence) => true,
    }
}

fn updatable(table: &Table, column: &SqlName) -> bool {
    let fixed =
        matches!(column.as_str(), "id" | "tenant_id" | "created_at") || Some(column) == table.tenant_column();
    !fixed && generation(table, column) != Generation::Stored
}

/// The statements that give these rights, one per object.
pub(super) fn grant_statements(rights: &BTreeSet<Right>, role: &str) -> Vec<String> {
    let mut objects: BTreeMap<String, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for right in rights {
        let Some(object) = right.object() else { continue };
        let columns = objects.entry(object).or_default().entry(right.privilege.as_str()).or_default();
        if !right.column_name.is_empty() {
            columns.push(&right.column_name);
        }
    }
    let role = ident(role);
    objects
        .into_iter()
        .map(|(object, privileges)| {
            let privileges: Vec<_> =
                privileges.into_iter().map(|(name, columns)| privilege(name, columns)).collect();
            format!("GRANT {} ON {object} TO {role}", privileges.join(", "))
        })
        .collect()
}

fn privilege(name: &str, columns: Vec<&str>) -> String {
    if columns.is_empty() { name.to_owned() } else { format!("{name} ({})", idents(columns)) }
}

#[cfg(test)]
mod tests {
    use applet_catalog::{Column, UniqueKey};

    use super::*;

    fn name(text: &str) -> SqlName {
        text.parse().unwrap()
    }

    fn clients() -> Catalog {
        let column = |text: &str, generation| Column {
            name: name(text),
            sql_type: "text".to_owned(),
            nullable: true,
            default: None,
            generation,
        };
        Catalog::new([Table {
            schema: name("public"),
            name: name("clients"),
            columns: vec![
                column("id", Generation::Sequence),
                column("tenant_id", Generation::None),
                column("email", Generation::None),
                column("phone", Generation::None),
                column("full_name", Generation::Stored),
                column("created_at", Generation::None),
            ],
            tenancy: Tenancy::Column(name("tenant_id")),
            unique_keys: vec![UniqueKey {
                name: "clients_pkey".to_owned(),
                columns: vec![name("id")],
                primary: true,
                partial: false,
            }],
            foreign_keys: Vec::new(),
            row_security: applet_catalog::RowSecurity::default(),
            owner: "postgres".to_owned(),
        }])
    }

    fn lowered(grant: TableGrant) -> Vec<String> {
        let mut builder = Grants::builder();
        *builder.table(name("clients")) = grant;
        let sequences = [Sequence {
            table_schema: "public".to_owned(),
            table_name: "clients".to_owned(),
            schema: "public".to_owned(),
            name: "clients_id_seq".to_owned(),
        }];
        let wanted = desired(&builder.build(), &clients(), &sequences, "crm");
        grant_statements(&wanted.rights, "r")
    }

    #[test]
    fn s4_8_a_read_grant_is_its_columns_and_the_tenant() {
        let only = Columns::Only([name("email")].into());
        assert_eq!(
            lowered(TableGrant { read: Some(only), ..TableGrant::default() }),
            [
                r#"GRANT CONNECT ON DATABASE "crm" TO "r""#,
                r#"GRANT USAGE ON SCHEMA "public" TO "r""#,
                r#"GRANT SELECT ("email", "tenant_id") ON TABLE "public"."clients" TO "r""#,
            ]
        );
    }

    #[test]
    fn s4_10_s4_15_writes_bring_the_key_and_leave_system_columns_alone() {
        let grant = TableGrant {
            insert: Some(Columns::All),
            update: Some(Columns::All),
            delete: true,
            ..TableGrant::default()
        };
        let statements = lowered(grant);
        assert_eq!(
            statements.last().unwrap(),
            r#"GRANT DELETE, INSERT ("email", "phone", "tenant_id"), SELECT ("id", "tenant_id"), UPDATE ("email", "phone") ON TABLE "public"."clients" TO "r""#
        );
        assert!(
            statements.contains(&r#"GRANT USAGE ON SEQUENCE "public"."clients_id_seq" TO "r""#.to_owned())
        );
    }

    #[test]
    fn s4_3_a_table_that_is_not_there_is_reported_and_gives_nothing() {
        let mut builder = Grants::builder();
        builder.table(name("ghosts")).read = Some(Columns::All);
        let wanted = desired(&builder.build(), &clients(), &[], "crm");
        assert_eq!(wanted.missing, [name("ghosts")]);
        assert_eq!(wanted.rights.len(), 1);
    }
}
