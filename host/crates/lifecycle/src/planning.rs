//! Working out what an installation would take.

use applet_catalog::Catalog;
use applet_manifest::ValidatedManifest;
use applet_package::AppletDigest;
use applet_plan::{Offer, Plan, Side};
use applet_store::{
    Applet, InstallationStatus, NewPlan, OperationState, PlanKind, PlanRecord, State, StateChange,
};
use applet_types::{AppletId, Grants, OperationId, Version, WorkspaceId};

use crate::admission::Asked;
use crate::submit::load;
use crate::{Event, FaultPoint, Lifecycle, LifecycleError, OpContext, transition};

/// A plan, kept and waiting for an admin.
#[derive(Debug, Clone)]
pub struct Planned {
    /// As it was kept, with its id and digests.
    pub record: PlanRecord,
    /// What it says.
    pub plan: Plan,
    /// Of which manifest.
    pub manifest: ValidatedManifest,
}

/// What an installation runs now: the side that a plan starts from.
pub(crate) struct Installed {
    pub(crate) digest: AppletDigest,
    pub(crate) manifest: ValidatedManifest,
    pub(crate) grants: Grants,
}

impl Lifecycle {
    /// Makes the plan to install the applet submitted last, in this version if one is named, into a
    /// workspace. The very same plan again is the same plan, with its approval; any other takes the place
    /// of an earlier one.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::NotFound`] for a workspace of another tenant or an unknown applet,
    /// [`LifecycleError::Plan`] with every reason why it cannot be installed here.
    pub async fn plan(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        version: Option<&Version>,
    ) -> Result<Planned, LifecycleError> {
        ctx.manage()?;
        let store = &self.parts.store;
        if store.workspace(ctx.tenant, workspace).await?.is_none() {
            return Err(LifecycleError::NotFound("workspace"));
        }
        let package =
            store.latest_applet(applet, version).await?.ok_or(LifecycleError::NotFound("applet"))?;
        let status = store
            .ensure_installation(ctx.tenant, workspace, applet)
            .await?
            .ok_or(LifecycleError::NotFound("workspace"))?;
        self.admit(Asked::by(ctx, "plan").about(&status), &package).await?;
        let manifest = load(&package.manifest)?;
        for table in manifest.tables() {
            // Checked again when the table is made: another applet may be installed in between.
            if store.table_owner(table.physical()).await?.is_some_and(|owner| owner != *applet) {
                return Err(LifecycleError::NameTaken);
            }
        }
        if self.unfinished(&status).await?.is_some() {
            return Err(LifecycleError::Held);
        }
        let mut admin = self.admin().await?;
        let catalog = self.read_catalog(&mut admin).await?.catalog;
        let installed = self.installed(&status).await?;
        let offered = offered(installed.as_ref(), &package, &manifest);
        let plan = compute(installed.as_ref(), &manifest, &offered, &catalog)?;
        self.pass(FaultPoint::PlanMade)?;
        let record = self.keep(ctx, &status, &package, &plan).await?;
        self.pass(FaultPoint::PlanKept)?;
        Ok(Planned { record, plan, manifest })
    }

    /// Keeps a plan as the only open one of its installation.
    pub(crate) async fn keep(
        &self,
        ctx: &OpContext,
        status: &InstallationStatus,
        package: &Applet,
        plan: &Plan,
    ) -> Result<PlanRecord, LifecycleError> {
        let content = serde_json::to_value(plan).map_err(|error| LifecycleError::Plan(error.to_string()))?;
        let new = NewPlan {
            tenant: ctx.tenant,
            installation: status.id,
            kind: PlanKind::Install,
            applet_digest: package.digest,
            digest: &plan.digest(),
            plan: &content,
            created_by: ctx.user(),
        };
        Ok(self.parts.store.save_plan(&new, &asking(status.state)?).await?)
    }

    /// The operation by which an installation that is served is being changed, if there is one.
    pub(crate) async fn unfinished(
        &self,
        status: &InstallationStatus,
    ) -> Result<Option<OperationId>, LifecycleError> {
        if !is_served(status.state) {
            return Ok(None);
        }
        let latest = self.parts.store.latest_operation(status.tenant, status.id).await?;
        Ok(latest.filter(|latest| latest.state == OperationState::Running).map(|latest| latest.id))
    }

    /// What the installation runs. One that was never finished, or was uninstalled, runs nothing.
    pub(crate) async fn installed(
        &self,
        status: &InstallationStatus,
    ) -> Result<Option<Installed>, LifecycleError> {
        if !is_served(status.state) {
            return Ok(None);
        }
        let Some((digest, grants)) = self.parts.store.installed(status).await? else { return Ok(None) };
        let package = self.parts.store.applet(digest).await?.ok_or(LifecycleError::NotFound("applet"))?;
        Ok(Some(Installed { digest, manifest: load(&package.manifest)?, grants }))
    }
}

/// Whether it answers hooks, or would if it were enabled.
pub(crate) const fn is_served(state: State) -> bool {
    matches!(state, State::Active | State::Disabled)
}

impl Installed {
    /// As one side of a change.
    pub(crate) const fn side(&self) -> Side<'_> {
        Side { manifest: &self.manifest, grants: &self.grants }
    }

    /// What another package asks for beside what this one has. `None` for the same package: then all that it
    /// asks for is decided anew.
    pub(crate) fn offer(&self, package: &Applet, manifest: &ValidatedManifest) -> Option<Offer> {
        (package.digest != self.digest).then(|| applet_plan::offer(self.side(), manifest))
    }
}

/// What an admin is asked to grant: everything, or of another version what was granted before and what is
/// new. What they withheld before is not asked for again.
pub(crate) fn offered(
    installed: Option<&Installed>,
    package: &Applet,
    manifest: &ValidatedManifest,
) -> Grants {
    let offer = installed.and_then(|installed| installed.offer(package, manifest));
    offer.map_or_else(|| manifest.declared(), |offer| offer.whole)
}

/// The plan from what is installed to a manifest with these grants.
pub(crate) fn compute(
    installed: Option<&Installed>,
    manifest: &ValidatedManifest,
    grants: &Grants,
    catalog: &Catalog,
) -> Result<Plan, LifecycleError> {
    applet_plan::diff(installed.map(Installed::side), Side { manifest, grants }, catalog)
        .map_err(LifecycleError::Refused)
}

/// The changes of state by which a new plan comes before the tenant's admins.
pub(crate) fn asking(state: State) -> Result<[StateChange; 2], LifecycleError> {
    let planned = transition(state, Event::Plan)?;
    let asked = transition(planned, Event::AskApproval)?;
    Ok([StateChange { from: state, to: planned }, StateChange { from: planned, to: asked }])
}
