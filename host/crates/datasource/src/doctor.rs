//! What an operator should know about a database: which walls stand where, and what is missing.

use applet_catalog::{Catalog, Table, Tenancy};
use applet_types::TenantForm;
use serde::Serialize;

use crate::catalog::{CatalogOptions, read};
use crate::wall::{Left, left_to_public, tenant_form};
use crate::{Admin, Error, Version};

/// Which walls stand around a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Walls {
    /// The gate scopes statements, and row security binds them.
    Both,
    /// The gate scopes statements; row security or our policies are missing.
    GateOnly,
    /// The same rows for everybody, by the operator's word.
    Global,
    /// No applet can name it.
    Unreachable,
}

/// What is known about a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Its name.
    pub table: String,
    /// Which walls it has.
    pub walls: Walls,
    /// Whether row security binds its owner too.
    pub forced: bool,
    /// Unique and foreign keys through which a tenant can learn that another tenant's row exists.
    pub global_keys: Vec<String>,
}

/// What the doctor found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The server's version.
    pub version: Version,
    /// The version to upgrade to, when this one has known holes in what the second wall relies on.
    pub upgrade_to: Option<Version>,
    /// Every table, by name.
    pub tables: Vec<TableReport>,
    /// How sessions tell this database their tenant; none when it was never prepared.
    pub tenant_form: Option<TenantForm>,
    /// What PUBLIC, and so every applet, can still use: it goes with the next preparation.
    pub missing_revokes: Vec<String>,
    /// What PUBLIC, and so every applet, could still use if the first wall fell, because whoever prepared the
    /// database may not take it away. It runs as the applet's role, and row security binds it.
    pub staying_rights: Vec<String>,
    /// What was left out of the catalogue, and why.
    pub remarks: Vec<String>,
}

/// Examines a database. Changes nothing; any role that can connect may ask.
///
/// # Errors
///
/// When the session breaks.
pub async fn examine(admin: &mut Admin, options: &CatalogOptions) -> Result<Report, Error> {
    let version = server_version(admin).await?;
    let reading = read(admin, options).await?;
    let Left { revocable, staying } = left_to_public(admin).await?;
    Ok(Report {
        version,
        upgrade_to: version.patched_by(),
        tables: reading.catalog.tables().map(|table| table_report(&reading.catalog, table)).collect(),
        tenant_form: tenant_form(admin).await?,
        missing_revokes: revocable,
        staying_rights: staying,
        remarks: reading.remarks,
    })
}

/// The server's version.
///
/// # Errors
///
/// When the session is broken.
pub async fn server_version(admin: &mut Admin) -> Result<Version, Error> {
    let number: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int4")
        .fetch_one(admin.session())
        .await
        .map_err(Error::statement("cannot read the server's version"))?;
    Ok(Version::from_number(number))
}

/// Names the tables that have one wall only.
pub fn one_wall_only(catalog: &Catalog) -> Vec<String> {
    let reports = catalog.tables().map(|table| table_report(catalog, table));
    reports.filter(|report| report.walls == Walls::GateOnly).map(|report| report.table).collect()
}

fn table_report(catalog: &Catalog, table: &Table) -> TableReport {
    let security = table.row_security;
    let walls = match (&table.tenancy, security.enabled && security.tenant_policy) {
        (Tenancy::Column(_), true) => Walls::Both,
        (Tenancy::Column(_), false) => Walls::GateOnly,
        (Tenancy::Global, _) => Walls::Global,
        (Tenancy::Invisible, _) => Walls::Unreachable,
    };
    TableReport {
        table: table.name.to_string(),
        walls,
        forced: security.forced,
        global_keys: catalog.global_keys(table).into_iter().map(str::to_owned).collect(),
    }
}

impl Report {
    /// What somebody should do something about, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.version.is_supported() {
            problems.push(format!("PostgreSQL {} is not supported: 15 or later is", self.version));
        }
        if let Some(patched) = self.upgrade_to {
            problems.push(format!(
                "PostgreSQL {} has known holes in row security and other things that the second wall relies on: upgrade to {patched} or later",
                self.version
            ));
        }
        for table in self.tables.iter().filter(|table| table.walls == Walls::GateOnly) {
            problems.push(format!("table `{}` has one wall only: row security is missing", table.table));
        }
        for table in &self.tables {
            for key in &table.global_keys {
                problems.push(format!(
                    "key `{key}` of table `{}` does not start with the tenant: writing its columns tells whether another tenant's row exists",
                    table.table
                ));
            }
        }
        if !self.missing_revokes.is_empty() {
            problems.push(format!(
                "PUBLIC still holds {} rights that applets must not have",
                self.missing_revokes.len()
            ));
        }
        problems
    }
}
