//! An admin's decision on a plan.

use std::time::Duration;

use applet_manifest::Selection;
use applet_store::{Approval, MAX_APPROVAL_VALIDITY, NewApproval, StateChange};
use applet_types::{AppletId, Limits, PlanId, WorkspaceId};

use crate::upgrade::Decided;
use crate::{Event, FaultPoint, Lifecycle, LifecycleError, OpContext, transition};

/// What an admin decides.
#[derive(Debug, Clone)]
pub struct Decision {
    /// On which plan: the one they have seen.
    pub plan: PlanId,
    /// Which of the requested permissions they grant.
    pub selection: Selection,
    /// Limits lower than those of host and manifest; higher ones have no effect.
    pub limits: Option<Limits>,
    /// How long the approval may be used, at most seven days.
    pub valid_for: Duration,
}

impl Decision {
    /// Grants everything that the plan's manifest requests, for as long as possible.
    pub fn everything(plan: PlanId) -> Self {
        Self { plan, selection: Selection::default(), limits: None, valid_for: MAX_APPROVAL_VALIDITY }
    }
}

impl Lifecycle {
    /// Approves a plan, whole or in part. Bound to the package and the plan as they are kept: anything
    /// that changes later makes it void. An earlier approval that was not used becomes void as well.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::NotAdmin`]; [`LifecycleError::NotFound`] when this is not the open plan of an
    /// installation of this tenant; [`LifecycleError::Selection`] when it grants what was not requested.
    pub async fn approve(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        decision: &Decision,
    ) -> Result<Approval, LifecycleError> {
        ctx.decide()?;
        let status = self.status(ctx, workspace, applet).await?;
        let to = transition(status.state, Event::Approve)?;
        if self.unfinished(&status).await?.is_some() {
            return Err(LifecycleError::Held);
        }
        let Decided { manifest, grants, .. } = self.decided(ctx, &status, decision).await?;
        let limits = lowered(&manifest.limits(&self.parts.limits), decision.limits.as_ref());
        self.pass(FaultPoint::ApproveChecked)?;
        let new = NewApproval {
            tenant: ctx.tenant,
            installation: status.id,
            plan: decision.plan,
            actor: ctx.user(),
            grants: &grants,
            limits: &limits,
            valid_for: decision.valid_for,
        };
        let change = StateChange { from: status.state, to };
        let approval = self.parts.store.approve(&new, Some(change)).await?;
        self.pass(FaultPoint::ApproveKept)?;
        approval.ok_or(LifecycleError::NotFound("plan that waits for approval"))
    }

    /// Refuses the installation's open plan, and with it an approval that was not used yet.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::NotAdmin`]; [`LifecycleError::NotFound`] when there is no open plan.
    pub async fn reject(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<(), LifecycleError> {
        ctx.decide()?;
        let status = self.status(ctx, workspace, applet).await?;
        let change = StateChange { from: status.state, to: transition(status.state, Event::Reject)? };
        if self.parts.store.reject_plan(ctx.tenant, status.id, change).await? {
            Ok(())
        } else {
            Err(LifecycleError::NotFound("plan that waits for approval"))
        }
    }
}

/// The lower of two sets of limits, limit by limit.
pub(crate) fn lowered(host: &Limits, wanted: Option<&Limits>) -> Limits {
    let Some(wanted) = wanted else { return host.clone() };
    host.lowered_to(wanted)
}
