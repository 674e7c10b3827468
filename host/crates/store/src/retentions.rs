//! Who holds an applet's tables, and whose rows in them wait for their deadline (SPEC S4.36, Decision 5).
//!
//! *Invariant:* a deadline is the database's clock's. What is here only reads; rows of tenants and this
//! record change together, in transactions that run the functions of schema `applet_host`.

use std::collections::BTreeSet;

use applet_types::{AppletId, InstallationId, OperationId, SqlName, TenantId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::granted;
use crate::{Store, StoreError};

/// An installation that works with tables of its applet, or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Which.
    pub installation: InstallationId,
    /// Whose.
    pub tenant: TenantId,
    /// The physical names of the tables.
    pub tables: BTreeSet<SqlName>,
}

/// Rows of a tenant that an uninstall has left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Which.
    pub id: Uuid,
    /// Whose rows.
    pub tenant: TenantId,
    /// Of which applet.
    pub applet: AppletId,
    /// The installation that left them.
    pub installation: InstallationId,
    /// Where that was.
    pub workspace: WorkspaceId,
    /// The physical names of the tables that they are in.
    pub tables: Vec<SqlName>,
    /// Since when.
    pub retired_at: DateTime<Utc>,
    /// Until when they can be restored at least.
    pub keep_until: DateTime<Utc>,
    /// From when they may be purged.
    pub purge_from: DateTime<Utc>,
    /// Whether that is now, by the database's clock.
    pub due: bool,
    /// Whether anything is kept at all, by the database's clock.
    pub kept: bool,
}

impl Retention {
    /// The statement that claims it for the transaction, and answers whether it may be purged now.
    pub fn claim_statement(&self) -> String {
        format!("SELECT applet_host.claim_retention('{}')", self.id)
    }

    /// The statement that ends it, for the transaction that has deleted the rows.
    pub fn end_statement(&self, rows: u64) -> String {
        format!("SELECT applet_host.end_retention('{}', {rows})", self.id)
    }
}

type Row =
    (Uuid, Uuid, String, Uuid, Uuid, Vec<String>, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>, bool, bool);

const OPEN: &str = "
SELECT r.id, r.tenant_id, r.applet_id, r.installation_id, i.workspace_id, r.tables, r.retired_at, r.keep_until,
       r.keep_until + interval '24 hours', r.keep_until + interval '24 hours' <= clock_timestamp(),
       r.keep_until > clock_timestamp()
  FROM applet_host.retentions AS r JOIN applet_host.installations AS i ON i.id = r.installation_id
 WHERE r.ended_at IS NULL AND ($1::uuid IS NULL OR r.tenant_id = $1) AND ($2::text IS NULL OR r.applet_id = $2)
 ORDER BY r.keep_until, r.id";

fn retention(row: Row) -> Result<Retention, StoreError> {
    let (id, tenant, applet, installation, workspace, tables, retired_at, keep_until, purge_from, due, kept) =
        row;
    let damaged = |error: &dyn std::fmt::Display| StoreError::damaged("read what is retained", error);
    Ok(Retention {
        id,
        tenant: TenantId::new(tenant),
        applet: applet.parse().map_err(|error| damaged(&error))?,
        installation: InstallationId::new(installation),
        workspace: WorkspaceId::new(workspace),
        tables: tables
            .into_iter()
            .map(|name| SqlName::exact(&name).map_err(|error| damaged(&error)))
            .collect::<Result<_, _>>()?,
        retired_at,
        keep_until,
        purge_from,
        due,
        kept,
    })
}

impl Store {
    /// What is retained, the nearest deadline first: of one tenant or of all, of one applet or of all.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn retentions(
        &self,
        tenant: Option<TenantId>,
        applet: Option<&AppletId>,
    ) -> Result<Vec<Retention>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(OPEN)
            .bind(tenant.map(TenantId::as_uuid))
            .bind(applet.map(AppletId::as_str))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::database("list what is retained"))?;
        rows.into_iter().map(retention).collect()
    }

    /// Whoever holds tables of an applet: installations of all tenants that have not left them, and those
    /// that are being made.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn holdings(&self, applet: &AppletId) -> Result<Vec<Holding>, StoreError> {
        let rows: Vec<(Uuid, Uuid, serde_json::Value)> = sqlx::query_as(
            "SELECT id, tenant_id, grants FROM applet_host.installations
              WHERE applet_id = $1 AND grants IS NOT NULL AND left_at IS NULL
              UNION ALL
             SELECT i.id, i.tenant_id, a.granted
               FROM applet_host.operations AS o JOIN applet_host.approvals AS a ON a.id = o.approval_id
               JOIN applet_host.installations AS i ON i.id = o.installation_id
              WHERE i.applet_id = $1 AND o.state = 'running' AND o.kind <> 'uninstall'",
        )
        .bind(applet.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("list who holds an applet's tables"))?;
        rows.into_iter()
            .map(|(installation, tenant, grants)| {
                let grants = granted::read(grants, applet)?;
                Ok(Holding {
                    installation: InstallationId::new(installation),
                    tenant: TenantId::new(tenant),
                    tables: grants.own_tables().map(|(_, table)| table.name().clone()).collect(),
                })
            })
            .collect()
    }

    /// The physical names that an applet has claimed, whichever version declared them.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn claimed_tables(&self, applet: &AppletId) -> Result<Vec<SqlName>, StoreError> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT physical_name FROM applet_host.own_tables WHERE applet_id = $1 ORDER BY physical_name",
        )
        .bind(applet.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::database("list an applet's tables"))?;
        rows.into_iter()
            .map(|(name,)| {
                SqlName::exact(&name).map_err(|error| StoreError::damaged("list an applet's tables", error))
            })
            .collect()
    }

    /// The applets that have claimed tables.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn applets_with_tables(&self) -> Result<Vec<AppletId>, StoreError> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT DISTINCT applet_id FROM applet_host.own_tables ORDER BY applet_id")
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::database("list applets with tables"))?;
        rows.into_iter()
            .map(|(id,)| id.parse().map_err(|error| StoreError::damaged("list applets with tables", error)))
            .collect()
    }

    /// Whether an operation has brought rows back that were retained.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn has_restored(&self, operation: OperationId) -> Result<bool, StoreError> {
        let (restored,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (
                 SELECT FROM applet_host.operations AS o
                   JOIN applet_host.installations AS i ON i.id = o.installation_id
                   JOIN applet_host.retentions AS r ON r.tenant_id = i.tenant_id AND r.applet_id = i.applet_id
                  WHERE o.id = $1 AND r.outcome = 'restored' AND r.keep_hours > 0 AND r.ended_at >= o.created_at)",
        )
        .bind(operation.as_uuid())
        .fetch_one(&self.pool)
        .await
        .map_err(StoreError::database("read what was restored"))?;
        Ok(restored)
    }
}
