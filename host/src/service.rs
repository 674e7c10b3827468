//! Hooks, called: from a caller and a name to an answer, through the store and the runtime.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use applet_api::token::Caller;
use applet_api::{CallError, HookRequest, Hooks};
use applet_store::Installation;
use applet_types::{
    AppletId, Applets, ErrorCode, Failure, HookCall, HookError, InstallationId, RequestId, TenantId,
    WorkspaceId,
};
use async_trait::async_trait;
use uuid::Uuid;

use crate::wiring::Host;

/// How long an installation is believed to be what it was: the longest that a disabled applet or a
/// narrowed grant goes on being served by this host.
const BELIEVED_FOR: Duration = Duration::from_millis(250);

/// Installations kept at once; beyond it the map starts over, which costs a look-up each.
const REMEMBERED: usize = 10_000;

type Key = (TenantId, WorkspaceId, AppletId);

/// Calls hooks of active installations.
pub(crate) struct Service {
    host: Arc<Host>,
    remembered: Mutex<HashMap<Key, (Instant, Installation)>>,
    /// Installations, by generation, that this process is ready for: their tables are in the catalogue,
    /// their component is on this machine.
    ready_for: tokio::sync::Mutex<HashSet<(InstallationId, i64)>>,
}

impl Service {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self { host, remembered: Mutex::default(), ready_for: tokio::sync::Mutex::default() }
    }

    /// The active installation of an applet in a workspace of this tenant.
    pub(crate) async fn installation(&self, key: Key) -> Result<Installation, CallError> {
        let now = Instant::now();
        if let Some(installation) = self.recall(&key, now) {
            return Ok(installation);
        }
        let store = self.host.lifecycle.store();
        let mut found = store
            .active_installation(key.0, key.1, &key.2)
            .await
            .map_err(|error| HookError::Host(Failure::from(error)))?
            .ok_or_else(|| CallError::NotInstalled(key.2.clone()))?;
        self.get_ready_for(&found).await?;
        // What was approved, and no more than the operator gives now (SPEC S4.60).
        found.limits = Arc::new(found.limits.lowered_to(self.host.lifecycle.limits()));
        self.remember(key, now, found.clone());
        Ok(found)
    }

    /// An installation may have been made, or changed, by another process since this one looked last.
    async fn get_ready_for(&self, installation: &Installation) -> Result<(), CallError> {
        let version = (installation.id, installation.generation);
        let mut ready_for = self.ready_for.lock().await;
        if ready_for.contains(&version) {
            return Ok(());
        }
        self.host.refresh_catalog().await.map_err(|error| unavailable(&error))?;
        if !self.host.runtime.has(installation.component) {
            let store = self.host.lifecycle.store();
            let bytes = store
                .component(installation.component)
                .await
                .map_err(|error| HookError::Host(error.into()))?;
            let bytes = bytes.ok_or_else(|| unavailable(&"an installed component is not in the store"))?;
            self.host.runtime.inspect(&bytes).await.map_err(HookError::Host)?;
        }
        ready_for.insert(version);
        Ok(())
    }

    fn recall(&self, key: &Key, now: Instant) -> Option<Installation> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered
            .get(key)
            .filter(|(since, _)| now.saturating_duration_since(*since) < BELIEVED_FOR)
            .map(|(_, installation)| installation.clone())
    }

    fn remember(&self, key: Key, now: Instant, installation: Installation) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, (now, installation));
    }
}

/// The reason is for the log; whoever called learns that it is not their fault.
fn unavailable(reason: &dyn std::fmt::Display) -> HookError {
    tracing::error!(%reason, "an installation cannot be served");
    HookError::Host(Failure::new(ErrorCode::DatabaseUnavailable, "the applet cannot be served at the moment"))
}

#[async_trait]
impl Hooks for Service {
    async fn call(&self, caller: &Caller, request: HookRequest) -> Result<String, CallError> {
        let key = (caller.tenant, request.workspace, request.applet);
        let installation = self.installation(key).await?;
        let id = RequestId::new(Uuid::now_v7());
        let invocation = installation.invocation(id, caller.actor(), &request.locale, Instant::now());
        let hook = HookCall::Named { name: request.hook, payload: request.payload };
        Ok(self.host.runtime.call(installation.component, Arc::new(invocation), hook).await?)
    }

    async fn ready(&self) -> Result<(), String> {
        self.host.lifecycle.store().applets().await.map(drop).map_err(|error| error.to_string())
    }
}
