//! Working out what an installation would take.

use applet_catalog::Catalog;
use applet_manifest::ValidatedManifest;
use applet_plan::{Plan, Side};
use applet_store::{Applet, InstallationStatus, NewPlan, PlanKind, PlanRecord, State, StateChange};
use applet_types::{AppletId, Grants, Version, WorkspaceId};

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
    manifest: ValidatedManifest,
    grants: Grants,
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
        let manifest = load(&package.manifest)?;
        for table in manifest.tables() {
            // Checked again when the table is made: another applet may be installed in between.
            if store.table_owner(table.physical()).await?.is_some_and(|owner| owner != *applet) {
                return Err(LifecycleError::NameTaken);
            }
        }
        let mut admin = self.admin().await?;
        let catalog = self.read_catalog(&mut admin).await?.catalog;
        let installed = self.installed(&status).await?;
        let plan = compute(installed.as_ref(), &manifest, &manifest.requested(), &catalog)?;
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

    /// What the installation runs, or ran last.
    pub(crate) async fn installed(
        &self,
        status: &InstallationStatus,
    ) -> Result<Option<Installed>, LifecycleError> {
        let Some((digest, grants)) = self.parts.store.installed(status).await? else { return Ok(None) };
        let package = self.parts.store.applet(digest).await?.ok_or(LifecycleError::NotFound("applet"))?;
        Ok(Some(Installed { manifest: load(&package.manifest)?, grants }))
    }
}

/// The plan from what is installed to a manifest with these grants.
pub(crate) fn compute(
    installed: Option<&Installed>,
    manifest: &ValidatedManifest,
    grants: &Grants,
    catalog: &Catalog,
) -> Result<Plan, LifecycleError> {
    let old = installed.map(|old| Side { manifest: &old.manifest, grants: &old.grants });
    applet_plan::diff(old, Side { manifest, grants }, catalog).map_err(LifecycleError::Refused)
}

/// The changes of state by which a new plan comes before the tenant's admins.
pub(crate) fn asking(state: State) -> Result<[StateChange; 2], LifecycleError> {
    let planned = transition(state, Event::Plan)?;
    let asked = transition(planned, Event::AskApproval)?;
    Ok([StateChange { from: state, to: planned }, StateChange { from: planned, to: asked }])
}
