//! Reads what a database looks like from its own catalogue (SPEC Decision 2).
//!
//! *Invariant:* when in doubt, invisible. Only ordinary and partitioned tables can be seen by applets;
//! views, materialised views, foreign tables and partitions are known by name (so that nobody takes it)
//! and nothing more. A name that applets could not write is left out and reported.

use std::collections::{BTreeMap, BTreeSet};

use applet_catalog::{Catalog, Column, ForeignKey, Generation, RowSecurity, Table, Tenancy, UniqueKey};
use applet_types::SqlName;

use crate::wall;
use crate::wall::form::tenant_is_signed;
use crate::wall::policies::sound_policies;
use crate::{Admin, Error};

/// What to read, and what the operator says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogOptions {
    /// Schemas whose tables applets may name. A table of a later schema never hides one of an earlier.
    pub schemas: Vec<String>,
    /// Tables without a tenant that everybody may read.
    pub global_tables: BTreeSet<SqlName>,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self { schemas: vec!["public".to_owned()], global_tables: BTreeSet::new() }
    }
}

/// A catalogue as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// What applets and plans go by.
    pub catalog: Catalog,
    /// What was left out or kept invisible against expectation, a sentence each.
    pub remarks: Vec<String>,
}

/// Reads the catalogue in one consistent snapshot.
///
/// # Errors
///
/// When the session breaks or may not read the catalogue.
pub async fn read(admin: &mut Admin, options: &CatalogOptions) -> Result<Reading, Error> {
    admin
        .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog", DOING)
        .await?;
    let form = wall::tenant_form(admin).await;
    let rows = Rows::fetch(admin, options).await;
    let ended = admin.run("COMMIT", DOING).await;
    let (form, rows) = (form?, rows?);
    ended?;
    let mut reading = rows.assemble(options);
    reading.catalog = reading.catalog.taking_tenant(form.unwrap_or_default());
    Ok(reading)
}

const DOING: &str = "cannot read the catalogue";

#[derive(sqlx::FromRow)]
struct TableRow {
    id: i64,
    schema: String,
    name: String,
    plain: bool,
    owner: String,
    enabled: bool,
    forced: bool,
    tenant_policy: bool,
}

#[derive(sqlx::FromRow)]
struct ColumnRow {
    table_id: i64,
    name: String,
    sql_type: String,
    nullable: bool,
    default_text: Option<String>,
    stored: bool,
    sequence: bool,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    table_id: i64,
    name: String,
    is_primary: bool,
    partial: bool,
    columns: Vec<Option<String>>,
}

#[derive(sqlx::FromRow)]
struct ReferenceRow {
    table_id: i64,
    name: String,
    target: String,
    columns: Vec<Option<String>>,
    target_columns: Vec<Option<String>>,
}

const TABLES: &str = concat!(
    "SELECT c.oid::int8 AS id, n.nspname::text AS schema, c.relname::text AS name,
       c.relkind IN ('r', 'p') AND NOT c.relispartition AS plain,
       pg_get_userbyid(c.relowner)::text AS owner, c.relrowsecurity AS enabled,
       c.relforcerowsecurity AS forced, ",
    sound_policies!(),
    " AS tenant_policy
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY array_position($1, n.nspname::text), c.relname"
);

/// `pg_get_expr` looks beyond our snapshot: of a table that is just being dropped it knows nothing, and a
/// default would seem to be none.
const COLUMNS: &str = "
SELECT a.attrelid::int8 AS table_id, a.attname::text AS name,
       format_type(a.atttypid, a.atttypmod) AS sql_type, NOT a.attnotnull AS nullable,
       coalesce(pg_get_expr(d.adbin, d.adrelid), CASE WHEN d.adbin IS NOT NULL THEN '' END) AS default_text, a.attgenerated <> '' AS stored,
       a.attidentity <> '' OR EXISTS (
           SELECT FROM pg_depend s JOIN pg_class q ON q.oid = s.refobjid AND q.relkind = 'S'
           WHERE s.classid = 'pg_attrdef'::regclass AND s.objid = d.oid
             AND s.refclassid = 'pg_class'::regclass) AS sequence
FROM pg_attribute a
     JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
     JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum";

/// Exclusion constraints are existence oracles like unique ones, so they count as keys.
const KEYS: &str = "
SELECT i.indrelid::int8 AS table_id, x.relname::text AS name, i.indisprimary AS is_primary,
       i.indpred IS NOT NULL OR i.indexprs IS NOT NULL OR i.indisexclusion
           OR NOT i.indisvalid OR NOT i.indimmediate AS partial,
       ARRAY(SELECT a.attname::text
             FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
                  LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0
             WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
FROM pg_index i
     JOIN pg_class x ON x.oid = i.indexrelid
     JOIN pg_class c ON c.oid = i.indrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1) AND (i.indisunique OR i.indisexclusion)
ORDER BY i.indrelid, NOT i.indisprimary, x.relname";

const REFERENCES: &str = "
SELECT f.conrelid::int8 AS table_id, f.conname::text AS name, t.relname::text AS target,
       ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY k (attnum, place)
             JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum
             ORDER BY k.place) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY k (attnum, place)
             JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum
             ORDER BY k.place) AS target_columns
FROM pg_constraint f
     JOIN pg_class c ON c.oid = f.conrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_class t ON t.oid = f.confrelid
WHERE n.nspname = ANY ($1) AND f.contype = 'f'
ORDER BY f.conrelid, f.conname";

#[derive(Default)]
struct Rows {
    tables: Vec<TableRow>,
    columns: BTreeMap<i64, Vec<ColumnRow>>,
    keys: BTreeMap<i64, Vec<KeyRow>>,
    references: BTreeMap<i64, Vec<ReferenceRow>>,
}

impl Rows {
    async fn fetch(admin: &mut Admin, options: &CatalogOptions) -> Result<Self, Error> {
        async fn all<R>(admin: &mut Admin, sql: &'static str, schemas: &[String]) -> Result<Vec<R>, Error>
        where
            R: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
        {
            let query = sqlx::query_as(sql).bind(schemas);
            query.fetch_all(admin.session()).await.map_err(Error::statement(DOING))
        }
        let schemas = options.schemas.as_slice();
        let mut rows = Self { tables: all(admin, TABLES, schemas).await?, ..Self::default() };
        for row in all::<ColumnRow>(admin, COLUMNS, schemas).await? {
            rows.columns.entry(row.table_id).or_default().push(row);
        }
        for row in all::<KeyRow>(admin, KEYS, schemas).await? {
            rows.keys.entry(row.table_id).or_default().push(row);
        }
        for row in all::<ReferenceRow>(admin, REFERENCES, schemas).await? {
            rows.references.entry(row.table_id).or_default().push(row);
        }
        Ok(rows)
    }

    fn assemble(mut self, options: &CatalogOptions) -> Reading {
        let mut remarks = Vec::new();
        let mut tables: BTreeMap<SqlName, Table> = BTreeMap::new();
        for row in std::mem::take(&mut self.tables) {
            let (Ok(schema), Ok(name)) = (SqlName::exact(&row.schema), SqlName::exact(&row.name)) else {
                remarks.push(format!(
                    "table `{}`.`{}` is left out: applets cannot write its name",
                    row.schema, row.name
                ));
                continue;
            };
            if tables.contains_key(&name) {
                remarks.push(format!(
                    "table `{schema}`.`{name}` is left out: an earlier schema has one of this name"
                ));
                continue;
            }
            let table = self.table(row, schema, name, options, &mut remarks);
            tables.insert(table.name.clone(), table);
        }
        for name in options.global_tables.iter().filter(|name| !tables.contains_key(name.as_str())) {
            remarks.push(format!("table `{name}` is listed as global and does not exist"));
        }
        Reading { catalog: Catalog::new(tables.into_values()), remarks }
    }

    fn table(
        &mut self,
        row: TableRow,
        schema: SqlName,
        name: SqlName,
        options: &CatalogOptions,
        remarks: &mut Vec<String>,
    ) -> Table {
        let mut columns = Vec::new();
        for column in self.columns.remove(&row.id).unwrap_or_default() {
            match SqlName::exact(&column.name) {
                Ok(known) => columns.push(column.into_column(known)),
                Err(_) => remarks.push(format!(
                    "column `{}` of table `{name}` is left out: applets cannot write its name",
                    column.name
                )),
            }
        }
        let tenancy = tenancy(&name, row.plain, &columns, options, remarks);
        Table {
            unique_keys: self
                .keys
                .remove(&row.id)
                .unwrap_or_default()
                .into_iter()
                .map(KeyRow::into_key)
                .collect(),
            foreign_keys: self
                .references
                .remove(&row.id)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|reference| reference.into_key(&name, remarks))
                .collect(),
            schema,
            name,
            columns,
            tenancy,
            row_security: RowSecurity {
                enabled: row.enabled,
                forced: row.forced,
                tenant_policy: row.tenant_policy,
            },
            owner: row.owner,
        }
    }
}

/// Decides whose a table's rows are. A tenant column outranks the operator's list: a table with tenants'
/// rows can never be declared global by mistake.
fn tenancy(
    name: &SqlName,
    plain: bool,
    columns: &[Column],
    options: &CatalogOptions,
    remarks: &mut Vec<String>,
) -> Tenancy {
    let listed = options.global_tables.contains(name);
    // Rows of applets that were uninstalled: nobody reaches them until their applet is back.
    if name.as_str().starts_with("_deleted_") {
        return Tenancy::Invisible;
    }
    if !plain {
        if listed {
            remarks
                .push(format!("`{name}` is listed as global and is no ordinary table: it stays invisible"));
        }
        return Tenancy::Invisible;
    }
    let tenant_column = if name.as_str() == "tenants" { "id" } else { "tenant_id" };
    match columns.iter().find(|column| column.name.as_str() == tenant_column) {
        Some(column) if column.sql_type == "uuid" => {
            if listed {
                remarks.push(format!("table `{name}` is listed as global and has tenants: it stays scoped"));
            }
            Tenancy::Column(column.name.clone())
        }
        Some(column) => {
            remarks.push(format!(
                "table `{name}` stays invisible: its column `{tenant_column}` is of type {}, not uuid",
                column.sql_type
            ));
            Tenancy::Invisible
        }
        None if listed => Tenancy::Global,
        None => Tenancy::Invisible,
    }
}

impl ColumnRow {
    fn into_column(self, name: SqlName) -> Column {
        let generation = match (self.stored, self.sequence) {
            (true, _) => Generation::Stored,
            (false, true) => Generation::Sequence,
            (false, false) => Generation::None,
        };
        Column {
            name,
            sql_type: self.sql_type,
            nullable: self.nullable,
            default: self.default_text,
            generation,
        }
    }
}

impl KeyRow {
    /// Columns are listed up to the first expression or unwritable name: what follows must not look as
    /// if it led the key.
    fn into_key(self) -> UniqueKey {
        let all = self.columns.len();
        let columns: Vec<_> =
            self.columns.into_iter().map_while(|name| SqlName::exact(&name?).ok()).collect();
        UniqueKey {
            name: self.name,
            primary: self.is_primary,
            partial: self.partial || columns.len() < all,
            columns,
        }
    }
}

impl ReferenceRow {
    fn into_key(self, table: &SqlName, remarks: &mut Vec<String>) -> Option<ForeignKey> {
        let names = |columns: Vec<Option<String>>| -> Option<Vec<SqlName>> {
            columns.into_iter().map(|name| SqlName::exact(&name?).ok()).collect()
        };
        let parts = (names(self.columns), SqlName::exact(&self.target).ok(), names(self.target_columns));
        if let (Some(columns), Some(target), Some(target_columns)) = parts {
            return Some(ForeignKey { name: self.name, columns, target, target_columns });
        }
        remarks.push(format!(
            "foreign key `{}` of table `{table}` is left out: applets cannot write its names",
            self.name
        ));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, sql_type: &str) -> Column {
        Column {
            name: name.parse().unwrap(),
            sql_type: sql_type.to_owned(),
            nullable: false,
            default: None,
            generation: Generation::None,
        }
    }

    fn decide(name: &str, plain: bool, columns: &[Column], global: &[&str]) -> (Tenancy, usize) {
        let options = CatalogOptions {
            global_tables: global.iter().map(|name| name.parse().unwrap()).collect(),
            ..CatalogOptions::default()
        };
        let mut remarks = Vec::new();
        (tenancy(&name.parse().unwrap(), plain, columns, &options, &mut remarks), remarks.len())
    }

    #[test]
    fn d2_tenancy_follows_the_columns_and_fails_closed() {
        let id = column("id", "uuid");
        let tenant = column("tenant_id", "uuid");
        let scoped = |name: &str| Tenancy::Column(name.parse().unwrap());
        assert_eq!(decide("clients", true, std::slice::from_ref(&tenant), &[]), (scoped("tenant_id"), 0));
        assert_eq!(decide("tenants", true, std::slice::from_ref(&id), &[]), (scoped("id"), 0));
        assert_eq!(
            decide("clients", true, std::slice::from_ref(&tenant), &["clients"]),
            (scoped("tenant_id"), 1)
        );
        assert_eq!(decide("clients", false, &[tenant], &[]), (Tenancy::Invisible, 0));
        assert_eq!(
            decide("notes", true, &[column("tenant_id", "text")], &["notes"]),
            (Tenancy::Invisible, 1)
        );
        assert_eq!(
            decide("countries", true, std::slice::from_ref(&id), &["countries"]),
            (Tenancy::Global, 0)
        );
        assert_eq!(decide("countries", true, &[id], &[]), (Tenancy::Invisible, 0));
    }

    #[test]
    fn d7_a_key_is_listed_up_to_its_first_expression() {
        let key = |columns: &[Option<&str>]| {
            KeyRow {
                table_id: 1,
                name: "k".to_owned(),
                is_primary: false,
                partial: false,
                columns: columns.iter().map(|name| name.map(str::to_owned)).collect(),
            }
            .into_key()
        };
        let hidden = key(&[None, Some("tenant_id")]);
        assert!(hidden.columns.is_empty() && hidden.partial);
        let quoted = key(&[Some("tenant_id"), Some("Email")]);
        assert_eq!(quoted.columns, ["tenant_id".parse().unwrap()]);
        assert!(quoted.partial);
        assert!(!key(&[Some("tenant_id"), Some("email")]).partial);
    }
}
