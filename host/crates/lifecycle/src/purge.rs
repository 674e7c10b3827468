//! Purging what soft uninstalls have kept, once its time is over (SPEC S4.36).
//!
//! *Invariants:* never early, and by the database's clock alone: whether a retention may be purged is asked
//! again in the transaction that deletes, which one host at a time can hold. Running it again, or in several
//! hosts at once, changes nothing. Only rows of the tenant whose time is over are touched.

use applet_datasource::Admin;
use applet_datasource::ddl;
use applet_datasource::locks::{self, Lock};
use applet_datasource::own_rows::{self, Change, Changed, Content};
use applet_plan::{Fate, fate, hidden_name};
use applet_store::Retention;
use applet_types::{AppletId, SqlName, TenantId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::departure::drop_statements;
use crate::uninstall::Standing;
use crate::{FaultPoint, Lifecycle, LifecycleError};

/// What a purge did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PurgeReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Rows that are gone, or would be.
    pub purged: Vec<PurgedRows>,
    /// Tables that are gone, or would be, as nobody uses them.
    pub dropped: Vec<SqlName>,
    /// Rows whose time is not over.
    pub waiting: Vec<WaitingRows>,
    /// What could not be done now and is tried again.
    pub failed: Vec<String>,
}

/// Rows of one tenant that an applet has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PurgedRows {
    /// Whose.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
    /// Where it was installed.
    pub workspace: WorkspaceId,
    /// How many, in all its tables.
    pub rows: u64,
    /// Until when they could be restored.
    pub kept_until: DateTime<Utc>,
}

/// Rows that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingRows {
    /// Whose.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
    /// Where it was installed.
    pub workspace: WorkspaceId,
    /// Until when they can be restored.
    pub kept_until: DateTime<Utc>,
    /// From when they may be purged.
    pub purge_from: DateTime<Utc>,
}

impl Lifecycle {
    /// Deletes every tenant's rows whose time is over, and then drops tables that nobody holds and nobody
    /// can restore rows in. What a host does at its start and from time to time.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached. What failed for one tenant is in the report, and keeps nothing
    /// else from being purged.
    pub async fn purge(&self, dry_run: bool) -> Result<PurgeReport, LifecycleError> {
        let mut report = PurgeReport { dry_run, ..PurgeReport::default() };
        let mut admin = self.admin().await?;
        for retention in self.parts.store.retentions(None, None).await? {
            if !retention.due {
                report.waiting.push(waiting(retention));
                continue;
            }
            match self.purge_one(&mut admin, &retention, dry_run).await {
                Ok(Some(rows)) => report.purged.push(purged(retention, rows)),
                Ok(None) => {}
                Err(error @ LifecycleError::Fault(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(retention = %retention.id, %error, "rows could not be purged");
                    report.failed.push(format!("rows of {}: {error}", retention.applet));
                }
            }
        }
        for applet in self.parts.store.applets_with_tables().await? {
            match self.drop_unused(&mut admin, &applet, &report.purged, dry_run).await {
                Ok(dropped) => report.dropped.extend(dropped),
                Err(error @ LifecycleError::Fault(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%applet, %error, "unused tables could not be dropped");
                    report.failed.push(format!("tables of {applet}: {error}"));
                }
            }
        }
        admin.close().await?;
        Ok(report)
    }

    /// `None` when another host is at it, or it is restored or purged already.
    async fn purge_one(
        &self,
        admin: &mut Admin,
        retention: &Retention,
        dry_run: bool,
    ) -> Result<Option<u64>, LifecycleError> {
        let mut tables = Vec::new();
        for table in &retention.tables {
            let schemas = &self.parts.catalog.schemas;
            let found = own_rows::find(admin, schemas, table, &hidden_name(table)).await?;
            tables.extend(found.map(|found| found.rows));
        }
        if dry_run {
            let mut rows = 0;
            for table in &tables {
                rows += own_rows::count(admin, table, retention.tenant).await?;
            }
            return Ok(Some(rows));
        }
        self.pass(FaultPoint::PurgeFound)?;
        let total = |contents: &[Content]| contents.iter().map(|content| content.rows).sum::<u64>();
        let claim = retention.claim_statement();
        let change =
            Change { claim: Some(&claim), delete: &tables, tenant: retention.tenant, fingerprints: false };
        let then = |contents: &[Content]| Some(vec![retention.end_statement(total(contents))]);
        let changed = own_rows::change(admin, &change, &then).await?;
        self.pass(FaultPoint::PurgeDeleted)?;
        Ok(match changed {
            Changed::Done(contents) => Some(total(&contents)),
            Changed::NotClaimed | Changed::Declined(_) => None,
        })
    }

    /// Looks without the lock first, which keeps installations waiting, and again under it.
    async fn drop_unused(
        &self,
        admin: &mut Admin,
        applet: &AppletId,
        purged: &[PurgedRows],
        dry_run: bool,
    ) -> Result<Vec<SqlName>, LifecycleError> {
        let without: &[PurgedRows] = if dry_run { purged } else { &[] };
        let unused = self.unused(admin, applet, without).await?;
        if unused.is_empty() || dry_run {
            return Ok(unused.into_iter().map(|each| each.table).collect());
        }
        self.lock_tables(admin).await?;
        let dropped = self.drop_locked(admin, applet).await;
        locks::release(admin, Lock::ApplyPlan).await?;
        dropped
    }

    async fn drop_locked(
        &self,
        admin: &mut Admin,
        applet: &AppletId,
    ) -> Result<Vec<SqlName>, LifecycleError> {
        let unused = self.unused(admin, applet, &[]).await?;
        self.pass(FaultPoint::PurgeDropping)?;
        ddl::apply(admin, &drop_statements(&unused.iter().collect::<Vec<_>>())).await?;
        self.pass(FaultPoint::PurgeDropped)?;
        Ok(unused.into_iter().map(|each| each.table).collect())
    }

    /// Tables of an applet that nobody holds, nobody can restore rows in, and no row is in, but for those
    /// that would have been purged.
    async fn unused(
        &self,
        admin: &mut Admin,
        applet: &AppletId,
        without: &[PurgedRows],
    ) -> Result<Vec<Standing>, LifecycleError> {
        let gone: Vec<TenantId> =
            without.iter().filter(|rows| rows.applet == *applet).map(|rows| rows.tenant).collect();
        let mut unused = Vec::new();
        for each in self.tables_of(admin, applet).await? {
            let others = self.others(admin, applet, &each, None).await?;
            let standing =
                if each.found.hidden { applet_plan::Standing::Hidden } else { applet_plan::Standing::Live };
            let empty = !own_rows::has_rows_of_others(admin, &each.found.rows, &gone).await?;
            if empty && fate(standing, others, false) == Fate::Dropped {
                unused.push(each);
            }
        }
        Ok(unused)
    }
}

fn purged(retention: Retention, rows: u64) -> PurgedRows {
    PurgedRows {
        tenant: retention.tenant,
        applet: retention.applet,
        workspace: retention.workspace,
        rows,
        kept_until: retention.keep_until,
    }
}

fn waiting(retention: Retention) -> WaitingRows {
    WaitingRows {
        tenant: retention.tenant,
        applet: retention.applet,
        workspace: retention.workspace,
        kept_until: retention.keep_until,
        purge_from: retention.purge_from,
    }
}
