//! The twin-tenant check (SPEC F2): change what another tenant has, and this tenant's answers must not
//! move. Runs at every install, as the applet's own role, against the second wall alone.
//!
//! *Invariant:* leaves no trace. Every table is tried in a transaction that is rolled back, no trigger
//! fires, and no sequence is advanced: rows of the twin bring all their values with them.
//!
//! Only a superuser can keep triggers and foreign keys from firing. Anybody else takes another tenant that is
//! there for the twin; where there is none, a row is added only to a table that has no triggers.
//!
//! A check that could not see a leak would be worse than none: the twin must see its own row.

use applet_catalog::{Catalog, Generation, Table, Tenancy};
use applet_types::{Grants, SqlName, TableGrant, TenantClaim, TenantForm, TenantId, TenantSigner as _};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use crate::sql::{ident, idents, literal};
use crate::wall::{self, Keys, SETTING};
use crate::{Admin, Error};

const DOING: &str = "cannot check with a twin tenant";

/// Row security binds as ever in a session that plays a replica; triggers and foreign keys rest. One snapshot
/// from beginning to end: what the tenant's own users do meanwhile must not look like a leak.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '5s'";
const AS_REPLICA: &str = "SET LOCAL session_replication_role = replica";

/// For how long a signed setting of the check is valid: longer than it takes.
const SIGNED_FOR_MS: i64 = 60_000;

/// A short report, one line per table that the applet may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwinReport {
    /// By physical name, in order.
    pub tables: Vec<TwinTable>,
}

impl TwinReport {
    /// Whether no table leaks.
    pub fn holds(&self) -> bool {
        self.tables.iter().all(|table| !matches!(table.verdict, TwinVerdict::Leaks { .. }))
    }
}

/// What was found on one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwinTable {
    /// Its physical name.
    pub table: String,
    /// What was found.
    #[serde(flatten)]
    pub verdict: TwinVerdict,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum TwinVerdict {
    /// Nothing of the twin's can be seen or changed.
    Holds {
        /// Rows of this tenant that the applet sees, before and after.
        rows: i64,
    },
    /// The wall is open.
    Leaks {
        /// How.
        how: String,
    },
    /// Nothing could be tried.
    NotChecked {
        /// Why.
        why: String,
    },
}

/// Tries every granted table.
///
/// # Errors
///
/// When the session is broken. A table on which nothing can be tried is a line of the report.
pub async fn check(
    admin: &mut Admin,
    role: &str,
    tenant: TenantId,
    catalog: &Catalog,
    grants: &Grants,
) -> Result<TwinReport, Error> {
    let mut report = TwinReport::default();
    let keys = match wall::tenant_form(admin).await? {
        Some(TenantForm::Signed) => Some(wall::home::read(admin, TenantForm::Signed).await?),
        Some(TenantForm::Plain) | None => None,
    };
    for (name, grant) in grants.tables() {
        let Some(table) = catalog.table(name) else { continue };
        let Tenancy::Column(column) = &table.tenancy else { continue };
        let keys = keys.as_ref();
        let mut twin = Twin { role, keys, tenant, other: stranger(), table, column, grant };
        admin.run(BEGIN, DOING).await?;
        let outcome = match keys {
            None => twin.check(admin).await,
            Some(_) => twin.check_with_triggers(admin, catalog).await,
        };
        admin.run("ROLLBACK", DOING).await?;
        let verdict = outcome.unwrap_or_else(|error| TwinVerdict::NotChecked { why: reason(&error) });
        report.tables.push(TwinTable { table: name.to_string(), verdict });
    }
    Ok(report)
}

/// Gives a tenant one more row of a table, in a transaction of the caller's.
pub(crate) async fn add_row(
    admin: &mut Admin,
    tenant: TenantId,
    table: &Table,
    column: &SqlName,
) -> Result<(), Error> {
    let grant = &TableGrant::default();
    Twin { role: "", keys: None, tenant, other: tenant, table, column, grant }.add_row(admin).await
}

/// A tenant that does not exist.
fn stranger() -> TenantId {
    TenantId::new(uuid::Uuid::from_u128(rand::rng().random()))
}

/// Never the server's own words: they may carry a value of the row that was copied.
fn reason(error: &Error) -> String {
    match error {
        Error::Unexpected(why) => why.clone(),
        Error::Statement { answer, .. } => match answer.code.as_deref() {
            Some("57014") => "the tenant has too many rows to compare them in time".to_owned(),
            Some("55P03") => "the table is locked".to_owned(),
            Some("23503") => {
                "no other tenant has rows in it, and one for the twin would need rows in other tables"
                    .to_owned()
            }
            Some("23514") => "no row that satisfies the table's checks could be made up".to_owned(),
            Some(code) => format!("no row could be made up for the twin (SQLSTATE {code})"),
            None => "the database did not answer".to_owned(),
        },
        _ => "the database did not answer".to_owned(),
    }
}

struct Twin<'a> {
    role: &'a str,
    /// What the setting is signed with, where it is. Then whoever checks is no superuser.
    keys: Option<&'a Keys>,
    tenant: TenantId,
    other: TenantId,
    table: &'a Table,
    column: &'a SqlName,
    grant: &'a TableGrant,
}

impl Twin<'_> {
    async fn check(&self, admin: &mut Admin) -> Result<TwinVerdict, Error> {
        admin.run(AS_REPLICA, DOING).await?;
        let before = self.answers(admin).await?;
        self.add_row(admin).await?;
        self.compare(admin, before, true).await
    }

    /// The same where triggers cannot be kept from firing.
    async fn check_with_triggers(
        &mut self,
        admin: &mut Admin,
        catalog: &Catalog,
    ) -> Result<TwinVerdict, Error> {
        let quiet = !self.has_triggers(admin).await?;
        let before = self.answers(admin).await?;
        match self.neighbour(admin).await? {
            Some(neighbour) => self.other = neighbour,
            None if quiet => {
                self.add_tenant(admin, catalog).await?;
                self.add_row(admin).await?;
            }
            None => {
                let why = "no other tenant has rows in it, and adding one would fire its triggers";
                return Err(Error::Unexpected(why.to_owned()));
            }
        }
        self.compare(admin, before, quiet).await
    }

    async fn compare(
        &self,
        admin: &mut Admin,
        before: (i64, String),
        may_try_writes: bool,
    ) -> Result<TwinVerdict, Error> {
        let leaks = |how: &str| Ok(TwinVerdict::Leaks { how: how.to_owned() });
        if self.answers(admin).await? != before {
            return leaks("the tenant's answers moved when another tenant got a row");
        }
        if self.twins_rows(admin, Some(self.tenant)).await? != 0 {
            return leaks("the tenant sees another tenant's row");
        }
        if self.twins_rows(admin, None).await? != 0 {
            return leaks("rows are seen when no tenant is set");
        }
        if may_try_writes && self.changed_by_tenant(admin).await? {
            return leaks("the tenant can change another tenant's row");
        }
        if self.twins_rows(admin, Some(self.other)).await? < 1 {
            return Err(Error::Unexpected(
                "the twin does not see its own row, so nothing is proven".to_owned(),
            ));
        }
        Ok(TwinVerdict::Holds { rows: before.0 })
    }

    /// The rows that the applet gets for the tenant: how many, and a digest over all it may read of them.
    async fn answers(&self, admin: &mut Admin) -> Result<(i64, String), Error> {
        let row = match self.readable() {
            Some(columns) => format!("md5(ROW({})::text)", idents(columns)),
            None => "''".to_owned(),
        };
        let sql = format!(
            "SELECT count({}), md5(coalesce(string_agg({row}, '' ORDER BY {row}), '')) FROM {}",
            ident(self.column.as_str()),
            self.name(),
        );
        self.as_applet(admin, Some(self.tenant)).await?;
        let row = fetch(admin, sql).await?;
        self.as_admin(admin).await?;
        let failed = || Error::statement(DOING);
        Ok((row.try_get(0).map_err(failed())?, row.try_get(1).map_err(failed())?))
    }

    /// How many of the twin's rows a tenant sees. Nothing but row security stands in between.
    async fn twins_rows(&self, admin: &mut Admin, tenant: Option<TenantId>) -> Result<i64, Error> {
        let column = ident(self.column.as_str());
        let sql = format!("SELECT count({column}) FROM {} WHERE {column} = '{}'", self.name(), self.other);
        self.as_applet(admin, tenant).await?;
        let row = fetch(admin, sql).await?;
        self.as_admin(admin).await?;
        row.try_get(0).map_err(Error::statement(DOING))
    }

    /// Whether the tenant can change or remove the twin's row, as far as it may do so to its own.
    async fn changed_by_tenant(&self, admin: &mut Admin) -> Result<bool, Error> {
        let column = ident(self.column.as_str());
        let mine = format!("WHERE {column} = '{}'", self.other);
        let mut attempts = Vec::new();
        if let Some(updatable) = self.updatable() {
            let updatable = ident(updatable.as_str());
            attempts.push(format!("UPDATE {} SET {updatable} = {updatable} {mine}", self.name()));
        }
        if self.grant.delete {
            attempts.push(format!("DELETE FROM {} {mine}", self.name()));
        }
        self.as_applet(admin, Some(self.tenant)).await?;
        let mut changed = false;
        for sql in attempts {
            let done = admin.session().execute(AssertSqlSafe(sql)).await.map_err(Error::statement(DOING))?;
            changed |= done.rows_affected() > 0;
        }
        self.as_admin(admin).await?;
        Ok(changed)
    }

    /// Whether anybody's own triggers are on the table.
    async fn has_triggers(&self, admin: &mut Admin) -> Result<bool, Error> {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {}::regclass
                              AND NOT t.tgisinternal AND t.tgenabled <> 'D')",
            literal(&self.name())
        );
        fetch(admin, sql).await?.try_get(0).map_err(Error::statement(DOING))
    }

    /// Another tenant that has rows in the table.
    async fn neighbour(&self, admin: &mut Admin) -> Result<Option<TenantId>, Error> {
        let column = ident(self.column.as_str());
        let sql = format!(
            "SELECT (SELECT {column} FROM {} WHERE {column} <> '{}' LIMIT 1)",
            self.name(),
            self.tenant
        );
        let found: Option<uuid::Uuid> =
            fetch(admin, sql).await?.try_get(0).map_err(Error::statement(DOING))?;
        Ok(found.map(TenantId::new))
    }

    /// Makes the twin a tenant, so that its rows can refer to one.
    async fn add_tenant(&self, admin: &mut Admin, catalog: &Catalog) -> Result<(), Error> {
        let tenants = catalog.tables().find(|table| table.name.as_str() == "tenants");
        let Some((table, Tenancy::Column(column))) = tenants.map(|table| (table, &table.tenancy)) else {
            return Ok(());
        };
        if table.name == self.table.name {
            return Ok(());
        }
        let parent = Twin { table, column, ..*self };
        if parent.has_triggers(admin).await? {
            let why = "no other tenant has rows in it, and adding one would fire triggers of `tenants`";
            return Err(Error::Unexpected(why.to_owned()));
        }
        parent.add_row(admin).await
    }

    /// Gives the twin a row: a copy of an existing one if there is any, which satisfies all checks, with
    /// keys of its own; otherwise one made up from the columns' types.
    async fn add_row(&self, admin: &mut Admin) -> Result<(), Error> {
        admin.run("SAVEPOINT twin", DOING).await?;
        let copied = match self.insertion(true) {
            Ok(sql) => admin.session().execute(AssertSqlSafe(sql)).await.map_err(Error::statement(DOING)),
            Err(why) => Err(why),
        };
        match copied {
            Ok(done) if done.rows_affected() == 1 => return Ok(()),
            Ok(_) | Err(_) => admin.run("ROLLBACK TO SAVEPOINT twin", DOING).await?,
        }
        admin.run(self.insertion(false)?, DOING).await
    }

    fn insertion(&self, copy: bool) -> Result<String, Error> {
        let keys: Vec<&SqlName> = self.table.unique_keys.iter().flat_map(|key| &key.columns).collect();
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for column in &self.table.columns {
            let key = keys.contains(&&column.name);
            let defaulted = column.generation == Generation::None && column.default.is_some();
            let value = if column.name == *self.column {
                format!("'{}'::uuid", self.other)
            } else if column.generation == Generation::Stored || (!copy && defaulted) {
                continue;
            } else if copy && !key {
                ident(column.name.as_str())
            } else if column.nullable {
                "NULL".to_owned()
            } else {
                made_up(&column.sql_type).ok_or_else(|| {
                    Error::Unexpected(format!("no value of type `{}` could be made up", column.sql_type))
                })?
            };
            names.push(column.name.as_str());
            values.push(value);
        }
        let (names, values) = (idents(names), values.join(", "));
        let source = if copy { format!("FROM {} LIMIT 1", self.name()) } else { String::new() };
        Ok(format!("INSERT INTO {} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} {source}", self.name()))
    }

    fn name(&self) -> String {
        format!("{}.{}", ident(self.table.schema.as_str()), ident(self.table.name.as_str()))
    }

    /// The columns that the applet reads; `None` when it reads nothing but the key.
    fn readable(&self) -> Option<Vec<&str>> {
        let read = self.grant.read.as_ref()?;
        let names = self.table.columns.iter().filter(|column| read.contains(&column.name));
        let names: Vec<_> = names.map(|column| column.name.as_str()).collect();
        (!names.is_empty()).then_some(names)
    }

    /// A column that the applet may assign and read, and that is neither the tenant nor generated.
    fn updatable(&self) -> Option<&SqlName> {
        let update = self.grant.update.as_ref()?;
        let read = self.grant.read.as_ref()?;
        let column = self.table.columns.iter().find(|column| {
            let fixed = ["id", "tenant_id", "created_at"].contains(&column.name.as_str());
            let free = !fixed && column.name != *self.column && column.generation == Generation::None;
            free && update.contains(&column.name) && read.contains(&column.name)
        });
        column.map(|column| &column.name)
    }

    async fn as_applet(&self, admin: &mut Admin, tenant: Option<TenantId>) -> Result<(), Error> {
        let value = match (tenant, self.keys) {
            (None, _) => String::new(),
            (Some(tenant), None) => tenant.to_string(),
            (Some(tenant), Some(keys)) => signed(admin, keys, tenant).await?,
        };
        let setting: Vec<_> = SETTING.split('.').map(ident).collect();
        let setting = setting.join(".");
        let role = ident(self.role);
        // Only members can play a role, and a member is bound by its policies: so not for longer than that.
        let join = self.keys.map(|_| format!("GRANT {role} TO CURRENT_USER; ")).unwrap_or_default();
        let sql = format!("SET LOCAL {setting} = {}; {join}SET LOCAL ROLE {role}", literal(&value));
        admin.run(sql, DOING).await
    }

    async fn as_admin(&self, admin: &mut Admin) -> Result<(), Error> {
        let leave =
            self.keys.map(|_| format!("; REVOKE {} FROM CURRENT_USER", ident(self.role))).unwrap_or_default();
        admin.run(format!("RESET ROLE{leave}"), DOING).await
    }
}

/// The setting for this session.
async fn signed(admin: &mut Admin, keys: &Keys, tenant: TenantId) -> Result<String, Error> {
    let sql = "SELECT session_user::text, f.process, f.clock_ms FROM applet_host.tenant_form() AS f";
    let (role, process, clock_ms): (String, i32, i64) =
        sqlx::query_as(sql).fetch_one(admin.session()).await.map_err(Error::statement(DOING))?;
    Ok(keys.sign(&TenantClaim { tenant, role: &role, process, expires_ms: clock_ms + SIGNED_FOR_MS }))
}

async fn fetch(admin: &mut Admin, sql: String) -> Result<sqlx::postgres::PgRow, Error> {
    admin.session().fetch_one(AssertSqlSafe(sql)).await.map_err(Error::statement(DOING))
}

/// Some value of a type as PostgreSQL prints it, as unlikely as possible to exist already.
fn made_up(sql_type: &str) -> Option<String> {
    let number: u32 = rand::rng().random_range(1_000_000..30_000_000);
    let (base, width) = match sql_type.split_once('(') {
        Some((base, rest)) => (base, rest.split(')').next().and_then(|width| width.parse::<usize>().ok())),
        None => (sql_type, None),
    };
    if sql_type.ends_with("[]") {
        return Some("'{}'".to_owned());
    }
    Some(match base {
        "uuid" => format!("'{}'", uuid::Uuid::from_u128(rand::rng().random())),
        "smallint" => format!("{}", -(i64::from(number) % 32_000)),
        "integer" | "bigint" => format!("-{number}"),
        "numeric" | "real" | "double precision" | "money" => "0".to_owned(),
        "text" | "citext" | "name" => literal(&format!("twin-{number}")),
        "character varying" | "character" => {
            let text: String = format!("{number}").chars().rev().take(width.unwrap_or(8)).collect();
            literal(&text)
        }
        "boolean" => "false".to_owned(),
        "date" => "'2000-01-01'".to_owned(),
        _ if base.starts_with("timestamp") => "'2000-01-01'".to_owned(),
        _ if base.starts_with("time") => "'00:00'".to_owned(),
        "interval" => "'0'".to_owned(),
        "json" | "jsonb" => "'{}'".to_owned(),
        "bytea" => "'\\x'::bytea".to_owned(),
        "inet" | "cidr" => "'192.0.2.1'".to_owned(),
        _ => return None,
    })
}
