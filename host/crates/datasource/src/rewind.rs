//! Rows put back to where they were, and rows of one tenant changed: what tests of an applet need between
//! two of them, and to show that one tenant's answers do not hang on another's rows.
//!
//! *Invariant:* for a private database that is made for tests and thrown away. Everything in it is emptied
//! and filled again, whoever wrote it.

use applet_catalog::{Catalog, Column, Generation, Table, Tenancy};
use applet_types::{SqlName, TenantId};

use crate::sql::{ident, idents, literal};
use crate::{Admin, Error, twin};

const DOING: &str = "cannot put rows back";

/// Tables of everybody but the server and the host.
const TABLES: &str = "
SELECT n.nspname::text, c.relname::text,
       array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND n.nspname <> ALL (ARRAY['information_schema', 'applet_host'])
  AND n.nspname !~ '^pg_'
GROUP BY 1, 2 ORDER BY 1, 2";

const SEQUENCES: &str = "
SELECT schemaname::text, sequencename::text, coalesce(last_value, start_value), last_value IS NOT NULL
FROM pg_catalog.pg_sequences WHERE schemaname <> 'applet_host'";

/// The rows of every table and the state of every sequence, at one moment. They live in the session.
#[derive(Debug)]
pub struct Rewind {
    admin: Admin,
    /// One statement list that puts everything back.
    whole: String,
    /// One that puts sequences back.
    sequences: String,
}

impl Rewind {
    /// Remembers all rows as they are now.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn keep(mut admin: Admin) -> Result<Self, Error> {
        let tables: Vec<(String, String, Vec<String>)> =
            sqlx::query_as(TABLES).fetch_all(admin.session()).await.map_err(Error::statement(DOING))?;
        let sequences: Vec<(String, String, i64, bool)> =
            sqlx::query_as(SEQUENCES).fetch_all(admin.session()).await.map_err(Error::statement(DOING))?;
        let (mut names, mut fill) = (Vec::new(), String::new());
        for (number, (schema, table, columns)) in tables.iter().enumerate() {
            let name = qualified(schema, table);
            admin.run(format!("CREATE TEMPORARY TABLE kept_{number} AS TABLE {name}"), DOING).await?;
            let columns = idents(columns.iter().map(String::as_str));
            fill.push_str(&format!(
                "INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM pg_temp.kept_{number};\n"
            ));
            names.push(name);
        }
        let sequences: String = sequences
            .iter()
            .map(|(schema, name, value, called)| {
                format!("SELECT setval({}, {value}, {called});\n", literal(&qualified(schema, name)))
            })
            .collect();
        let empty =
            if names.is_empty() { String::new() } else { format!("TRUNCATE {};\n", names.join(", ")) };
        // Triggers and foreign keys rest: the rows fitted together when they were kept.
        let whole =
            format!("BEGIN;\nSET LOCAL session_replication_role = replica;\n{empty}{fill}{sequences}COMMIT;");
        Ok(Self { admin, whole, sequences })
    }

    /// Puts every row and sequence back.
    ///
    /// # Errors
    ///
    /// When the database refuses; then nothing was changed.
    pub async fn restore(&mut self) -> Result<(), Error> {
        let done = self.admin.run(self.whole.clone(), DOING).await;
        if done.is_err() {
            self.admin.run("ROLLBACK", DOING).await?;
        }
        done
    }

    /// Puts the sequences back and leaves the rows: ids that are given out next do not tell how many were
    /// given out since.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn restore_sequences(&mut self) -> Result<(), Error> {
        self.admin.run(self.sequences.clone(), DOING).await
    }

    /// Changes what a tenant has: every value that can be, and one more row where one can be made up.
    /// Triggers fire, as they do for anybody's changes.
    ///
    /// # Errors
    ///
    /// When the session is broken. What a table's own checks refuse is left as it is.
    pub async fn disturb(&mut self, tenant: TenantId, catalog: &Catalog) -> Result<(), Error> {
        for table in catalog.tables() {
            let Tenancy::Column(column) = &table.tenancy else { continue };
            if table.name.as_str() == "tenants" {
                continue;
            }
            let name = qualified(table.schema.as_str(), table.name.as_str());
            for changed in table.columns.iter().filter(|other| is_free(table, column, other)) {
                let Some(value) = another_value(changed) else { continue };
                let sql = format!(
                    "UPDATE {name} SET {} = {value} WHERE {} = '{tenant}'",
                    ident(changed.name.as_str()),
                    ident(column.as_str())
                );
                self.attempt(&sql).await?;
            }
            self.admin.run("BEGIN", DOING).await?;
            let end = match twin::add_row(&mut self.admin, tenant, table, column).await {
                Ok(()) => "COMMIT",
                Err(_) => "ROLLBACK",
            };
            self.admin.run(end, DOING).await?;
        }
        Ok(())
    }

    /// Ends the session, and with it what was kept.
    ///
    /// # Errors
    ///
    /// When the session was broken already.
    pub async fn close(self) -> Result<(), Error> {
        self.admin.close().await
    }

    async fn attempt(&mut self, sql: &str) -> Result<(), Error> {
        match self.admin.run(sql, DOING).await {
            Err(Error::Statement { answer, .. }) if answer.code.is_some() => {
                tracing::debug!(%answer, "a value could not be changed");
                Ok(())
            }
            done => done,
        }
    }
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// Whether a column may take any value: not the tenant, no key, nothing that is computed.
fn is_free(table: &Table, tenant: &SqlName, column: &Column) -> bool {
    let mut keys = table
        .unique_keys
        .iter()
        .flat_map(|key| &key.columns)
        .chain(table.foreign_keys.iter().flat_map(|key| &key.columns));
    column.name != *tenant && column.generation == Generation::None && keys.all(|name| *name != column.name)
}

/// An expression that gives another value than the one that is there.
fn another_value(column: &Column) -> Option<String> {
    let name = ident(column.name.as_str());
    let (base, width) = match column.sql_type.split_once('(') {
        Some((base, rest)) => (base, rest.split(')').next()),
        None => (column.sql_type.as_str(), None),
    };
    Some(match base {
        "text" | "citext" => format!("'twin ' || coalesce({name}, '')"),
        "character varying" | "character" => {
            let whole = format!("'twin ' || coalesce({name}, '')");
            width.map_or(whole.clone(), |width| format!("left({whole}, {width})"))
        }
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => {
            format!("coalesce({name}, 0) + 1")
        }
        "boolean" => format!("NOT coalesce({name}, false)"),
        "date" => format!("coalesce({name}, '2000-01-01') + 1"),
        base if base.starts_with("timestamp") => {
            format!("coalesce({name}, '2000-01-01') + interval '1 day'")
        }
        _ => return None,
    })
}
