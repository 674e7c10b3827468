//! Switching an installation off and on.

use applet_store::{InstallationStatus, State, StateChange};
use applet_types::{AppletId, WorkspaceId};

use crate::{Event, Lifecycle, LifecycleError, OpContext, transition};

impl Lifecycle {
    /// Where an applet stands in a workspace of the tenant.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::NotFound`] when the tenant has no such workspace, or the applet is not in it.
    pub async fn status(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<InstallationStatus, LifecycleError> {
        let found = self.parts.store.installation(ctx.tenant, workspace, applet).await?;
        found.ok_or(LifecycleError::NotFound("installation"))
    }

    /// Refuses new invocations from now on; tables, rows and grants are kept. A host that keeps
    /// installations in memory notices by their generation.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::Illegal`] unless it is active.
    pub async fn disable(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<State, LifecycleError> {
        self.switch(ctx, workspace, applet, Event::Disable).await
    }

    /// Takes back [`Lifecycle::disable`].
    ///
    /// # Errors
    ///
    /// [`LifecycleError::Illegal`] unless it is disabled.
    pub async fn enable(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<State, LifecycleError> {
        self.switch(ctx, workspace, applet, Event::Enable).await
    }

    async fn switch(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        event: Event,
    ) -> Result<State, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        let to = transition(status.state, event)?;
        let change = StateChange { from: status.state, to };
        self.parts.store.change_state(ctx.tenant, status.id, change).await?;
        Ok(to)
    }
}
