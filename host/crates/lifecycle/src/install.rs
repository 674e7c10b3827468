//! Applying an approved plan: check again, spend the approval, do the steps, become active.

use applet_plan::Plan;
use applet_store::{
    Applet, ApprovalRefusal, ApprovedPlan, InstallationStatus, OperationLease, PlanKind, PlanState, State,
    StateChange, StepToken, StoreError, Takeover,
};
use applet_types::{AppletId, ErrorCode, Failure, OperationId, RequestId, WorkspaceId};

use crate::admission::Asked;
use crate::planning::{compute, is_served, offered};
use crate::steps::Work;
use crate::submit::load;
use crate::{
    Event, FaultPoint, Finished, InstallReport, Lifecycle, LifecycleError, OpContext, Progress, transition,
};

impl Lifecycle {
    /// Installs what an admin has approved, or finishes an installation that was interrupted. Afterwards
    /// the applet's hooks can be called.
    ///
    /// The plan is computed again first, from the package as it is kept and the database as it is now.
    /// When it is not the approved one, the new plan is put before the admins instead, and the refusal is
    /// [`ApprovalRefusal::Void`].
    ///
    /// # Errors
    ///
    /// Why the approval cannot be used, or what failed; the installation's state says at which step.
    pub async fn install(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        progress: &dyn Progress,
    ) -> Result<InstallReport, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        if let Some(operation) = self.unfinished(&status).await? {
            return self.resume_install(operation, ctx.request, progress).await;
        }
        match status.state {
            State::Applying { .. } | State::Failed { resumable: true, .. } => {
                let operation = self.parts.store.latest_operation(ctx.tenant, status.id).await?;
                let operation = operation.ok_or(LifecycleError::NotFound("operation"))?;
                if operation.kind == PlanKind::Uninstall.as_str() {
                    return Err(LifecycleError::OtherOperation("uninstall"));
                }
                self.resume_install(operation.id, ctx.request, progress).await
            }
            _ => self.install_approved(ctx, &status, progress).await,
        }
    }

    pub(crate) async fn install_approved(
        &self,
        ctx: &OpContext,
        status: &InstallationStatus,
        progress: &dyn Progress,
    ) -> Result<InstallReport, LifecycleError> {
        let store = &self.parts.store;
        let Some(open) = store.open_plan(ctx.tenant, status.id).await? else {
            return Err(self.why_nothing_is_open(ctx, status).await?);
        };
        if open.kind == PlanKind::Uninstall {
            return Err(ApprovalRefusal::Missing.into());
        }
        let package = store.applet(open.applet_digest).await?.ok_or(LifecycleError::NotFound("applet"))?;
        self.admit(Asked::by(ctx, "install").about(status), &package).await?;
        let now = self.recompute(status, &package).await?;
        if now.digest() != open.digest {
            self.keep(ctx, status, &package, &now).await?;
            return Err(ApprovalRefusal::Void.into());
        }
        // Said as it is, rather than that the state does not fit or that an earlier approval is spent.
        if open.state == PlanState::Pending {
            return Err(ApprovalRefusal::Missing.into());
        }
        let change = StateChange { from: status.state, to: transition(status.state, Event::Start)? };
        let (checked, spent) = if is_served(status.state) {
            (FaultPoint::UpgradeChecked, FaultPoint::UpgradeRedeemed)
        } else {
            (FaultPoint::InstallChecked, FaultPoint::InstallRedeemed)
        };
        self.pass(checked)?;
        let redeemed = store.redeem(ctx.tenant, status.id, package.digest, &open.digest, change).await?;
        let (plan, lease) = redeemed?;
        self.pass(spent)?;
        self.apply(plan, lease, ctx.request, progress, false).await
    }

    /// An approval that was spent, or none at all.
    pub(crate) async fn why_nothing_is_open(
        &self,
        ctx: &OpContext,
        status: &InstallationStatus,
    ) -> Result<LifecycleError, LifecycleError> {
        let approvals = self.parts.store.approvals(ctx.tenant, status.id).await?;
        let refusal = match approvals.first() {
            None => ApprovalRefusal::Missing,
            Some(approval) if approval.consumed_at.is_some() => ApprovalRefusal::Spent,
            Some(_) => ApprovalRefusal::Void,
        };
        Ok(refusal.into())
    }

    /// The plan for this package as things are now.
    async fn recompute(&self, status: &InstallationStatus, package: &Applet) -> Result<Plan, LifecycleError> {
        let mut admin = self.admin().await?;
        let catalog = self.read_catalog(&mut admin).await?.catalog;
        let manifest = load(&package.manifest)?;
        let installed = self.installed(status).await?;
        let offered = offered(installed.as_ref(), package, &manifest);
        compute(installed.as_ref(), &manifest, &offered, &catalog)
    }

    /// Finishes every operation that a host has left unfinished, of all tenants. What another process
    /// works on is left to it. What a host does when it starts.
    ///
    /// # Errors
    ///
    /// When the store cannot list them. What becomes of each is in the answer.
    pub async fn resume(
        &self,
        request: RequestId,
        progress: &dyn Progress,
    ) -> Result<Vec<(OperationId, Result<Finished, LifecycleError>)>, LifecycleError> {
        let mut outcomes = Vec::new();
        for operation in self.parts.store.unfinished_operations().await? {
            match self.resume_one(operation, request, progress).await {
                Ok(Some(report)) => outcomes.push((operation, Ok(report))),
                Ok(None) => {}
                Err(error) => outcomes.push((operation, Err(error))),
            }
        }
        Ok(outcomes)
    }

    /// Gives up an installation that failed and could be resumed, so that another plan can be made. What
    /// it has made is kept, for the next installation to join.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::Illegal`] unless it failed in a way that can be resumed.
    pub async fn give_up(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<(), LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        let step = match self.unfinished(&status).await? {
            // Its version before goes on; only the change of it is given up.
            Some(_) => 0,
            None => match transition(status.state, Event::GiveUp)? {
                State::Failed { step, .. } => step,
                _ => return Err(LifecycleError::Held),
            },
        };
        let operation = self.parts.store.latest_operation(ctx.tenant, status.id).await?;
        let operation = operation.ok_or(LifecycleError::NotFound("operation"))?;
        match self.parts.store.take_over(operation.id).await? {
            Takeover::Taken(_, lease) => {
                let given_up = Failure::new(ErrorCode::Internal, "given up by an admin");
                lease.fail(step, &operation.failure.unwrap_or(given_up), false).await?;
                Ok(())
            }
            Takeover::Held | Takeover::Over => Err(LifecycleError::Held),
        }
    }

    pub(crate) async fn resume_install(
        &self,
        operation: OperationId,
        request: RequestId,
        progress: &dyn Progress,
    ) -> Result<InstallReport, LifecycleError> {
        match self.resume_one(operation, request, progress).await? {
            Some(Finished::Installed(report)) => Ok(*report),
            Some(Finished::Uninstalled(_)) | None => Err(LifecycleError::Held),
        }
    }

    /// `None` when somebody else works on it, or it is over.
    async fn resume_one(
        &self,
        operation: OperationId,
        request: RequestId,
        progress: &dyn Progress,
    ) -> Result<Option<Finished>, LifecycleError> {
        match self.parts.store.take_over(operation).await? {
            Takeover::Taken(plan, lease) if plan.kind() == PlanKind::Uninstall => {
                let report = self.leave(*plan, lease, request, None, progress, true).await?;
                Ok(report.map(Finished::Uninstalled))
            }
            Takeover::Taken(plan, lease) => {
                let report = self.apply(*plan, lease, request, progress, true).await?;
                Ok(Some(Finished::Installed(Box::new(report))))
            }
            Takeover::Held | Takeover::Over => Ok(None),
        }
    }

    /// What is told of a failure. Whoever took over ended our sessions, which looks like a server that went
    /// away; and what we think of the operation does not matter any more.
    pub(crate) async fn unless_replaced(&self, token: StepToken, error: LifecycleError) -> LifecycleError {
        if matches!(error, LifecycleError::Store(StoreError::Fenced)) {
            return LifecycleError::Held;
        }
        // A store that cannot be asked has not been heard to say so.
        match self.parts.store.is_taken_over(token).await {
            Ok(true) => LifecycleError::Held,
            Ok(false) | Err(_) => error,
        }
    }

    /// Does the steps. A failure is written down; after it, or after a crash, they can be done again.
    pub(crate) async fn apply(
        &self,
        plan: ApprovedPlan,
        lease: OperationLease,
        request: RequestId,
        progress: &dyn Progress,
        resumed: bool,
    ) -> Result<InstallReport, LifecycleError> {
        let mut work = Work::new(self, plan, lease, progress);
        match work.run(request).await {
            Ok(report) => {
                let (before, after) = if report.from.is_some() {
                    (FaultPoint::Switching, FaultPoint::Switched)
                } else {
                    (FaultPoint::Activating, FaultPoint::Activated)
                };
                self.pass(before)?;
                let token = work.lease.step(work.step);
                if let Err(error) = work.lease.activate().await {
                    return Err(self.unless_replaced(token, error.into()).await);
                }
                self.pass(after)?;
                Ok(InstallReport { resumed, ..report })
            }
            Err(error) => {
                let error = self.unless_replaced(work.lease.step(work.step), error).await;
                if matches!(error, LifecycleError::Held) {
                    return Err(error);
                }
                let (operation, step) = (work.lease.operation(), work.step);
                tracing::warn!(%operation, step, %error, "the installation failed");
                // When this cannot be written down either, the operation stays open and is resumed.
                if let Err(unwritten) = work.lease.fail(step, &error.failure(), error.resumable()).await {
                    tracing::error!(%operation, step, %unwritten, "and the failure could not be recorded");
                }
                Err(error)
            }
        }
    }
}
