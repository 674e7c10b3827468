//! Copies of the fixture, and what a statement changed in one.

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::{TENANT_B, directory};
use crate::{Database, connect};

/// The fixture's tables; a row refers to rows of earlier ones only.
const TABLES: [&str; 8] = [
    "tenants",
    "countries",
    "users",
    "clients",
    "chats",
    "chat_messages",
    "applet_ai_chat_ai_chat_configs",
    "api_keys",
];

/// The fixture, loaded once, to be copied.
#[derive(Debug)]
pub struct Fixture {
    template: Database,
}

impl Fixture {
    /// Loads it, and keeps every row a second time in schema `pristine` for comparisons.
    pub async fn load() -> Self {
        let template = Database::empty().await;
        let sql = std::fs::read_to_string(directory().join("fixture.sql")).expect("the fixture");
        template.run(&sql).await;
        template.run(&keep()).await;
        Self { template }
    }

    /// A copy with a superuser's connection to it.
    pub async fn copy(&self) -> Copy {
        let database = Database::like(self.template.name()).await;
        let connection = connect(&database.url()).await;
        Copy { connection, database }
    }
}

/// A copy of the fixture.
#[derive(Debug)]
pub struct Copy {
    connection: PgConnection,
    database: Database,
}

fn keep() -> String {
    let tables = TABLES.map(|table| format!("CREATE TABLE pristine.{table} AS TABLE public.{table};"));
    format!("CREATE SCHEMA pristine; {}", tables.concat())
}

/// A row that a statement added or removed; a changed row is removed and added.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The table.
    pub table: String,
    /// Whether the row is new.
    pub added: bool,
    /// The row, column by column.
    pub row: Value,
}

impl Change {
    /// Whether the row is tenant B's, or nobody's that tenant A may change.
    pub fn is_foreign(&self) -> bool {
        let tenant = self.row.get("tenant_id").and_then(Value::as_str);
        tenant.is_none_or(|tenant| tenant == TENANT_B) || self.table == "api_keys"
    }
}

/// What a reference statement gives: its rows, or their number when it returns none.
#[derive(Debug)]
pub enum Outcome {
    /// Rows by position.
    Rows(Vec<Vec<Value>>),
    /// Rows changed.
    Count(u64),
}

impl Copy {
    /// Its URL, a superuser's.
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// Takes the rows as they are now for those that later changes are told from.
    pub async fn keep(&mut self) {
        self.run("DROP SCHEMA pristine CASCADE").await;
        self.run(&keep()).await;
    }

    /// Every row that is not as it was.
    pub async fn changes(&mut self) -> Vec<Change> {
        let mut parts = Vec::new();
        for table in TABLES {
            for (added, one, other) in [(true, "public", "pristine"), (false, "pristine", "public")] {
                parts.push(format!(
                    "SELECT '{table}', {added}, to_jsonb(t)::text FROM \
                     (TABLE {one}.{table} EXCEPT ALL TABLE {other}.{table}) t"
                ));
            }
        }
        let sql = parts.join(" UNION ALL ");
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await.expect("comparable");
        rows.iter()
            .map(|row| Change {
                table: row.get(0),
                added: row.get(1),
                row: serde_json::from_str(row.get(2)).expect("json"),
            })
            .collect()
    }

    /// Puts every row back.
    pub async fn restore(&mut self) {
        let mut sql =
            format!("BEGIN; SET LOCAL session_replication_role = replica; TRUNCATE {};", TABLES.join(", "));
        for table in TABLES {
            sql.push_str(&format!("INSERT INTO public.{table} TABLE pristine.{table};"));
        }
        for table in TABLES.iter().skip(2) {
            sql.push_str(&format!("SELECT setval('{table}_id_seq', 100000);"));
        }
        sql.push_str("COMMIT");
        self.run(&sql).await;
    }

    /// Runs statements of ours in it.
    pub async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await.expect("runs");
    }

    /// The rows of a reference query that has this many columns.
    pub async fn rows(&mut self, sql: &str, columns: usize) -> Result<Vec<Vec<Value>>, sqlx::Error> {
        let names: Vec<_> = (1..=columns).map(|number| format!("c{number}")).collect();
        let names = names.join(", ");
        let sql = sql.trim_end().trim_end_matches(';');
        let sql = format!("WITH r({names}) AS ({sql}) SELECT jsonb_build_array({names})::text FROM r");
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await?;
        Ok(rows.iter().map(|row| serde_json::from_str(row.get(0)).expect("json")).collect())
    }

    /// What a reference statement returns and changes. The copy is as before afterwards.
    pub async fn effect(&mut self, sql: &str, columns: usize) -> Result<(Outcome, Vec<Change>), sqlx::Error> {
        self.run("BEGIN").await;
        let outcome = if columns > 0 {
            self.rows(sql, columns).await.map(Outcome::Rows)
        } else {
            let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await;
            done.map(|done| Outcome::Count(done.rows_affected()))
        };
        let result = match outcome {
            Ok(outcome) => Ok((outcome, self.changes().await)),
            Err(error) => Err(error),
        };
        self.run("ROLLBACK").await;
        result
    }
}
