//! Switching an installation off and on.

use std::sync::Arc;

use applet_manifest::LifecycleHook;
use applet_store::{InstallationStatus, State, StateChange};
use applet_types::{AppletId, ComponentDigest, HookCall, Invocation, WorkspaceId};

use crate::admission::Asked;
use crate::submit::load;
use crate::{Event, FaultPoint, HookOutcome, Lifecycle, LifecycleError, OpContext, SwitchReport, transition};

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

    /// Calls the applet's `on-disable` hook, whatever comes of it, and then refuses new invocations; tables,
    /// rows and grants are kept. A host that keeps installations in memory notices by their generation.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::Illegal`] unless it is active.
    pub async fn disable(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<SwitchReport, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        transition(status.state, Event::Disable)?;
        let hook = self.call_own(ctx, workspace, applet, LifecycleHook::OnDisable, HookCall::Disable).await?;
        self.pass(FaultPoint::Disabling)?;
        let state = self.switch(&status, Event::Disable).await?;
        self.pass(FaultPoint::Disabled)?;
        Ok(SwitchReport { state, hook })
    }

    /// Switches it off at once (SPEC S4x.7): no code of the applet runs for it, new calls are refused, and
    /// hosts that serve it end those that run. Everything is kept, as by [`Lifecycle::disable`].
    ///
    /// # Errors
    ///
    /// [`LifecycleError::Illegal`] unless it is active.
    pub async fn disable_now(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<SwitchReport, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        let state = self.switch(&status, Event::Disable).await?;
        Ok(SwitchReport { state, hook: HookOutcome::None })
    }

    /// Takes back [`Lifecycle::disable`], and then calls the applet's `on-enable` hook.
    ///
    /// # Errors
    ///
    /// [`LifecycleError::Illegal`] unless it is disabled.
    pub async fn enable(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
    ) -> Result<SwitchReport, LifecycleError> {
        ctx.manage()?;
        let status = self.status(ctx, workspace, applet).await?;
        transition(status.state, Event::Enable)?;
        if let Some(digest) = status.digest {
            let package = self.parts.store.applet(digest).await?;
            let package = package.ok_or(LifecycleError::NotFound("applet"))?;
            self.admit_again(Asked::by(ctx, "enable").about(&status), &package).await?;
        }
        self.pass(FaultPoint::Enabling)?;
        let state = self.switch(&status, Event::Enable).await?;
        self.pass(FaultPoint::Enabled)?;
        let hook = self.call_own(ctx, workspace, applet, LifecycleHook::OnEnable, HookCall::Enable).await?;
        Ok(SwitchReport { state, hook })
    }

    async fn switch(&self, status: &InstallationStatus, event: Event) -> Result<State, LifecycleError> {
        let to = transition(status.state, event)?;
        let change = StateChange { from: status.state, to };
        self.parts.store.change_state(status.tenant, status.id, change).await?;
        Ok(to)
    }

    /// Calls a hook of an active installation if its manifest lists it.
    async fn call_own(
        &self,
        ctx: &OpContext,
        workspace: WorkspaceId,
        applet: &AppletId,
        hook: LifecycleHook,
        call: HookCall,
    ) -> Result<HookOutcome, LifecycleError> {
        let store = &self.parts.store;
        let Some(active) = store.active_installation(ctx.tenant, workspace, applet).await? else {
            return Ok(HookOutcome::None);
        };
        let package = store.applet(active.digest).await?.ok_or(LifecycleError::NotFound("applet"))?;
        // The operator wants none of its code to run, this included.
        if self.admit_running(applet, package.digest).is_err() {
            return Ok(HookOutcome::None);
        }
        if !load(&package.manifest)?.hooks().has(hook) {
            return Ok(HookOutcome::None);
        }
        let invocation = active.invocation(ctx.request, ctx.actor, "en", (self.parts.now)());
        Ok(match self.call_known(active.component, invocation, call).await {
            Ok(()) => HookOutcome::Called,
            Err(error) => HookOutcome::Failed { reason: error.to_string() },
        })
    }

    /// Calls a hook of a component that this host may never have seen: another one took it in.
    pub(crate) async fn call_known(
        &self,
        component: ComponentDigest,
        invocation: Invocation,
        call: HookCall,
    ) -> Result<(), LifecycleError> {
        let bytes = self.parts.store.component(component).await?;
        let bytes = bytes.ok_or(LifecycleError::NotFound("component"))?;
        self.parts.applets.inspect(&bytes).await.map_err(LifecycleError::Component)?;
        let answer = self.parts.applets.call(component, Arc::new(invocation), call).await;
        answer.map(drop).map_err(LifecycleError::Hook)
    }
}
