//! Taking an applet away, as an admin of the tenant has approved it: plan, approval, steps (SPEC S4.36-38).
//!
//! *Invariant:* nothing is renamed, deleted or dropped that the approved plan does not name; the plan is
//! worked out again just before, and whose rows a table holds once more under the lock.

use std::path::Path;

use applet_datasource::own_rows::{self, Found};
use applet_datasource::{Admin, locks, locks::Lock};
use applet_manifest::{OnDelete, Target, ValidatedManifest};
use applet_plan::{Estimate, KEEP_HOURS, Leaving, RetireMode, TableEstimate, UninstallPlan, hidden_name};
use applet_store::{
    Applet, ApprovalRefusal, ApprovedPlan, InstallationStatus, NewPlan, OperationLease, PlanKind, PlanRecord,
    PlanState, State, StateChange, Takeover,
};
use applet_types::{AppletId, InstallationId, OperationId, RequestId, SqlName, TenantId, WorkspaceId};

use crate::departure::{Departure, UninstallReport};
use crate::planning::asking;
use crate::submit::load;
use crate::{Event, FaultPoint, InstallReport, Lifecycle, LifecycleError, OpContext, Progress, transition};

/// A plan to uninstall, kept and waiting for an admin.
#[derive(Debug, Clone)]
pub struct PlannedUninstall {
    /// As it was kept, with its id and digest.
    pub record: PlanRecord,
    /// What it says.
    pub plan: UninstallPlan,
    /// What it would mean now.
    pub estimate: Estimate,
}

/// An operation that was finished.
#[derive(Debug, Clone)]
pub enum Finished {
    /// An applet came, or what it runs has changed.
    Installed(Box<InstallReport>),
    /// It went.
    Uninstalled(UninstallReport),
}

/// A table of the applet, as it stands.
pub(crate) struct Standing {
    pub(crate) table: SqlName,
    pub(crate) found: Found,
    pub(crate) rows: u64,
}

impl Lifecycle {
    /// Makes the plan to uninstall an applet, and says what it would mean now: which tables, how many rows
    /// of this tenant, until when they could be restored. It then waits for an admin
    /// ([`Lifecycle::approve`]), like any other plan. What an earlier soft uninstall has kept can be
    /// exported or deleted before its time in the same way.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::NothingToUninstall`], [`LifecycleError::AlreadyRetired`], or
    /// [`LifecycleError::Illegal`] while it is being changed.
    pub async fn plan_uninstall(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        mode: RetireMode,
    ) -> Result<PlannedUninstall, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        if self.unfinished(&status).await?.is_some() {
            return Err(LifecycleError::OtherOperation("upgrade"));
        }
        let changes = asking(status.state)?;
        let package = self.leaving(&status, mode).await?;
        let mut admin = self.admin().await?;
        let (plan, estimate) = self.work_out(&mut admin, &status, &package, mode).await?;
        admin.close().await?;
        self.pass(FaultPoint::UninstallPlanMade)?;
        let record = self.keep_uninstall(ctx, &status, &package, &plan, &changes).await?;
        self.pass(FaultPoint::UninstallPlanKept)?;
        Ok(PlannedUninstall { record, plan, estimate })
    }

    async fn keep_uninstall(
        &self,
        ctx: &OpContext,
        status: &InstallationStatus,
        package: &Applet,
        plan: &UninstallPlan,
        changes: &[StateChange],
    ) -> Result<PlanRecord, LifecycleError> {
        let content = serde_json::to_value(plan).map_err(|error| LifecycleError::Plan(error.to_string()))?;
        let new = NewPlan {
            tenant: ctx.tenant,
            installation: status.id,
            kind: PlanKind::Uninstall,
            applet_digest: package.digest,
            digest: &plan.digest(),
            plan: &content,
            created_by: ctx.user(),
        };
        Ok(self.parts.store.save_plan(&new, changes).await?)
    }

    /// Uninstalls as an admin has approved, or finishes an uninstall that was interrupted. `out` is the
    /// folder that an export is written to; the same one again when it is resumed.
    ///
    /// # Errors
    ///
    /// Why the approval cannot be used, or what failed; the installation's state says at which step.
    pub async fn uninstall(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        out: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<UninstallReport, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        if self.unfinished(&status).await?.is_some() {
            return Err(LifecycleError::OtherOperation("upgrade"));
        }
        if matches!(
            status.state,
            State::Retiring | State::Failed { resumable: true, .. } | State::Applying { .. }
        ) {
            let operation = self.parts.store.latest_operation(ctx.tenant, status.id).await?;
            let operation = operation.ok_or(LifecycleError::NotFound("operation"))?;
            if operation.kind != PlanKind::Uninstall.as_str() {
                return Err(LifecycleError::OtherOperation("install"));
            }
            transition(status.state, Event::ResumeRetire)?;
            return self.resume_uninstall(operation.id, ctx.request, out, progress).await;
        }
        self.uninstall_approved(ctx, &status, out, progress).await
    }

    async fn resume_uninstall(
        &self,
        operation: OperationId,
        request: RequestId,
        out: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<UninstallReport, LifecycleError> {
        match self.parts.store.take_over(operation).await? {
            Takeover::Taken(plan, lease) => {
                let report = self.leave(*plan, lease, request, out, progress, true).await?;
                report.ok_or(LifecycleError::ExportNeedsFolder)
            }
            Takeover::Held | Takeover::Over => Err(LifecycleError::Held),
        }
    }

    async fn uninstall_approved(
        &self,
        ctx: &OpContext,
        status: &InstallationStatus,
        out: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<UninstallReport, LifecycleError> {
        let store = &self.parts.store;
        let Some(open) = store.open_plan(ctx.tenant, status.id).await? else {
            return Err(self.why_nothing_is_open(ctx, status).await?);
        };
        // Said as it is, rather than that the state does not fit.
        if open.kind != PlanKind::Uninstall || open.state == PlanState::Pending {
            return Err(ApprovalRefusal::Missing.into());
        }
        let approved = read_plan(&open.plan)?;
        let exports = matches!(approved.mode(), RetireMode::Export { .. }) && !approved.shared();
        if exports && out.is_none() {
            return Err(LifecycleError::ExportNeedsFolder);
        }
        let package = store.applet(open.applet_digest).await?.ok_or(LifecycleError::NotFound("applet"))?;
        let mut admin = self.admin().await?;
        let (now, _) = self.work_out(&mut admin, status, &package, approved.mode()).await?;
        admin.close().await?;
        if now.digest() != open.digest {
            self.keep_uninstall(ctx, status, &package, &now, &asking(status.state)?).await?;
            return Err(ApprovalRefusal::Void.into());
        }
        let change = StateChange { from: status.state, to: transition(status.state, Event::Retire)? };
        self.pass(FaultPoint::UninstallChecked)?;
        let redeemed = store.redeem(ctx.tenant, status.id, package.digest, &open.digest, change).await?;
        let (plan, lease) = redeemed?;
        self.pass(FaultPoint::UninstallRedeemed)?;
        let report = self.leave(plan, lease, ctx.request, out, progress, false).await?;
        report.ok_or(LifecycleError::ExportNeedsFolder)
    }

    /// Does the steps. `None` when it is an export that only whoever knows the folder can go on with; it
    /// then stays as it is.
    pub(crate) async fn leave(
        &self,
        plan: ApprovedPlan,
        lease: OperationLease,
        request: RequestId,
        out: Option<&Path>,
        progress: &dyn Progress,
        resumed: bool,
    ) -> Result<Option<UninstallReport>, LifecycleError> {
        let mut departure = Departure::new(self, plan, lease, out, progress)?;
        match departure.run(request).await {
            Ok(None) => Ok(None),
            Ok(Some(report)) => {
                self.pass(FaultPoint::Retiring)?;
                let token = departure.lease.step(departure.step);
                let kept_until = match departure.lease.retire().await {
                    Ok(kept_until) => kept_until,
                    Err(error) => return Err(self.unless_replaced(token, error.into()).await),
                };
                self.pass(FaultPoint::Retired)?;
                let kept_until = report.keeps.then_some(kept_until);
                Ok(Some(UninstallReport { resumed, kept_until, ..report }))
            }
            Err(error) => {
                let error = self.unless_replaced(departure.lease.step(departure.step), error).await;
                if matches!(error, LifecycleError::Held) {
                    return Err(error);
                }
                let (operation, step) = (departure.lease.operation(), departure.step);
                tracing::warn!(%operation, step, %error, "the uninstall failed");
                // When this cannot be written down either, the operation stays open and is resumed.
                let written = departure.lease.fail(step, &error.failure(), error.resumable()).await;
                if let Err(unwritten) = written {
                    tracing::error!(%operation, step, %unwritten, "and the failure could not be recorded");
                }
                Err(error)
            }
        }
    }

    /// The package that goes: the one that runs, ran last, or was last tried.
    async fn leaving(&self, status: &InstallationStatus, mode: RetireMode) -> Result<Applet, LifecycleError> {
        let store = &self.parts.store;
        if let State::Retired { until } = status.state {
            let kept = store.retentions(Some(status.tenant), Some(&status.applet)).await?;
            if !kept.iter().any(|rows| rows.installation == status.id && rows.kept) {
                return Err(LifecycleError::NothingToUninstall);
            }
            if !mode.deletes() {
                return Err(LifecycleError::AlreadyRetired(until));
            }
        }
        let digest = match status.digest {
            Some(digest) => digest,
            None => {
                let approvals = store.approvals(status.tenant, status.id).await?;
                let tried = approvals.iter().find(|approval| approval.consumed_at.is_some());
                tried.ok_or(LifecycleError::NothingToUninstall)?.applet_digest
            }
        };
        store.applet(digest).await?.ok_or(LifecycleError::NotFound("applet"))
    }

    /// The plan as things are now.
    async fn work_out(
        &self,
        admin: &mut Admin,
        status: &InstallationStatus,
        package: &Applet,
        mode: RetireMode,
    ) -> Result<(UninstallPlan, Estimate), LifecycleError> {
        let manifest = load(&package.manifest)?;
        let granted = self.parts.store.installed(status).await?.map(|(_, grants)| grants);
        let declared = |table: &SqlName| match &granted {
            Some(grants) => grants.is_own(table),
            None => manifest.tables().iter().any(|own| own.physical().name() == table),
        };
        let mut standing = self.standing(admin, &status.applet, status.tenant).await?;
        // Tables of other versions are left as well when there is something in them.
        standing.retain(|each| each.rows > 0 || declared(&each.table));
        let public = SqlName::exact("public").map_err(|error| LifecycleError::Plan(error.to_string()))?;
        let schema = standing.first().map_or(&public, |each| &each.found.rows.schema);
        let plan = applet_plan::uninstall(&Leaving {
            manifest: &manifest,
            mode,
            schema,
            tables: standing.iter().map(|each| each.table.clone()).collect(),
            shared: self.used_elsewhere(&status.applet, status.tenant, status.id).await?,
            active: status.state == State::Active,
            pinned: pinned(&manifest),
        });
        let kept_until = if mode.deletes() {
            None
        } else {
            let text = own_rows::clock(admin, KEEP_HOURS).await?;
            Some(
                text.parse()
                    .map_err(|_| LifecycleError::Plan("the database's clock is unreadable".to_owned()))?,
            )
        };
        let tables = standing
            .iter()
            .map(|each| TableEstimate { table: each.table.clone(), rows: each.rows })
            .collect();
        Ok((plan, Estimate { tables, kept_until }))
    }

    /// Tables of an applet that stand, with what a tenant has in them.
    pub(crate) async fn standing(
        &self,
        admin: &mut Admin,
        applet: &AppletId,
        tenant: TenantId,
    ) -> Result<Vec<Standing>, LifecycleError> {
        let mut standing = self.tables_of(admin, applet).await?;
        for each in &mut standing {
            each.rows = own_rows::count(admin, &each.found.rows, tenant).await?;
        }
        Ok(standing)
    }

    /// The same, with no tenant's rows counted.
    pub(crate) async fn tables_of(
        &self,
        admin: &mut Admin,
        applet: &AppletId,
    ) -> Result<Vec<Standing>, LifecycleError> {
        let mut standing = Vec::new();
        for table in self.parts.store.claimed_tables(applet).await? {
            let schemas = &self.parts.catalog.schemas;
            let found = own_rows::find(admin, schemas, &table, &hidden_name(&table)).await?;
            standing.extend(found.map(|found| Standing { table, found, rows: 0 }));
        }
        Ok(standing)
    }

    /// Whether the tenant has the applet in another workspace: its rows there are the same rows.
    pub(crate) async fn used_elsewhere(
        &self,
        applet: &AppletId,
        tenant: TenantId,
        installation: InstallationId,
    ) -> Result<bool, LifecycleError> {
        let holdings = self.parts.store.holdings(applet).await?;
        Ok(holdings.iter().any(|each| {
            each.tenant == tenant && each.installation != installation && !each.tables.is_empty()
        }))
    }

    /// Takes the lock under which applets' tables change.
    pub(crate) async fn lock_tables(&self, admin: &mut Admin) -> Result<(), LifecycleError> {
        Ok(locks::acquire(admin, Lock::ApplyPlan).await?)
    }
}

/// The plan as it was kept.
pub(crate) fn read_plan(content: &serde_json::Value) -> Result<UninstallPlan, LifecycleError> {
    serde_json::from_value(content.clone()).map_err(|error| LifecycleError::Plan(error.to_string()))
}

/// Tables of others whose rows cannot be deleted while a row of the applet points at them.
fn pinned(manifest: &ValidatedManifest) -> Vec<SqlName> {
    let mut pinned = Vec::new();
    for column in manifest.tables().iter().flat_map(|table| table.columns()) {
        let Some(key) = column.foreign_key() else { continue };
        if let Target::Shared(name) = key.target()
            && matches!(key.on_delete(), OnDelete::Restrict | OnDelete::NoAction)
            && !pinned.contains(name)
        {
            pinned.push(name.clone());
        }
    }
    pinned
}
