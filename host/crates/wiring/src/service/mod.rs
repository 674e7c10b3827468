//! Hooks, called: from a caller and a name to an answer, through the store and the runtime.

mod circuit;
mod memory;
mod running;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use applet_store::Installation;
use applet_types::{
    AppletId, Applets, Budget, CallError, Caller, ComponentDigest, ErrorCode, Failure, HookCall, HookError,
    HookRequest, Hooks, InstallationId, Invocation, Reply, RequestId,
};
use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::host::Host;
pub use memory::Key;
use memory::Memory;
use running::Running;

/// How often a serving host asks whether any installation has changed.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Calls hooks of active installations.
pub struct Service {
    host: Arc<Host>,
    memory: Memory,
    running: Running,
    /// Whether calls may run that a change has ended.
    unchecked: Mutex<bool>,
    ready: Mutex<Ready>,
    stand_in: RwLock<Option<(AppletId, ComponentDigest)>>,
}

/// What this process is ready for.
#[derive(Default)]
struct Ready {
    /// Installations, by generation: their tables are in the catalogue, their component is on this machine.
    installations: HashSet<(InstallationId, i64)>,
    /// The revision after which the catalogue was read last.
    catalog: Option<i64>,
}

impl Service {
    /// Nothing is looked up yet; [`Service::follow`] keeps it informed.
    pub fn new(host: Arc<Host>) -> Self {
        Self {
            host,
            memory: Memory::default(),
            running: Running::default(),
            unchecked: Mutex::default(),
            ready: Mutex::default(),
            stand_in: RwLock::default(),
        }
    }

    /// Runs this component for the applet instead of the one that is installed, under the same grants: new
    /// code of the version that runs, while it is written (`applet dev`). The runtime has to have it.
    pub fn let_stand_in(&self, applet: AppletId, component: ComponentDigest) {
        *self.stand_in.write().unwrap_or_else(PoisonError::into_inner) = Some((applet, component));
    }

    fn component_of(&self, installation: &Installation) -> ComponentDigest {
        let stand_in = self.stand_in.read().unwrap_or_else(PoisonError::into_inner);
        let stand_in = stand_in.as_ref().filter(|(applet, _)| *applet == installation.applet);
        stand_in.map_or(installation.component, |(_, component)| *component)
    }

    /// Asks for changes as long as the service is there. A service that nobody keeps informed looks every
    /// installation up at every call.
    pub fn follow(self: &Arc<Self>) -> JoinHandle<()> {
        let service = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(service) = service.upgrade() {
                service.look().await;
                drop(service);
                tokio::time::sleep(ASK_EVERY).await;
            }
        })
    }

    /// Asks for changes now: a call that comes after this knows of everything that was done before it.
    pub async fn look(&self) {
        // One at a time, so that an older answer never takes the place of a newer one.
        let mut unchecked = self.unchecked.lock().await;
        let began = Instant::now();
        match self.host.lifecycle.store().revision().await {
            Ok(revision) => {
                *unchecked |= self.memory.confirm(revision, began);
                *unchecked = *unchecked && !self.end_what_was_switched_off().await;
            }
            Err(error) => tracing::warn!(%error, "changes of installations are not seen"),
        }
    }

    /// Ends running calls of installations that are active no longer: disabled, or being uninstalled. Those
    /// that were upgraded go on in the version that they began in. Answers whether all is known.
    async fn end_what_was_switched_off(&self) -> bool {
        let keys = self.running.keys();
        if keys.is_empty() {
            return true;
        }
        match self.host.lifecycle.store().active_among(&keys).await {
            Ok(active) => {
                keys.iter().filter(|key| !active.contains(*key)).for_each(|key| self.running.end(key));
                true
            }
            Err(error) => {
                tracing::warn!(%error, "it is not known whether calls that run have to end");
                false
            }
        }
    }

    /// The active installation of an applet in a workspace of this tenant.
    pub async fn installation(&self, key: Key) -> Result<Arc<Installation>, CallError> {
        let now = Instant::now();
        if let Some(installation) = self.memory.recall(&key, now) {
            return Ok(installation);
        }
        let revision = self.memory.revision(now);
        let store = self.host.lifecycle.store();
        let mut found = store
            .active_installation(key.0, key.1, &key.2)
            .await
            .map_err(|error| HookError::Host(Failure::from(error)))?
            .ok_or_else(|| CallError::NotInstalled(key.2.clone()))?;
        let admitted = self.host.lifecycle.admit_running(&found.applet, found.digest);
        admitted.map_err(|refusal| {
            HookError::Host(Failure::new(ErrorCode::AppletDisabled, refusal.to_string()))
        })?;
        self.get_ready_for(&found).await?;
        // What was approved, and no more than the operator gives now (SPEC S4.60).
        found.limits = Arc::new(found.limits.lowered_to(self.host.lifecycle.limits()));
        let found = Arc::new(found);
        if let Some(revision) = revision {
            self.memory.remember(key, revision, Arc::clone(&found));
        }
        Ok(found)
    }

    /// An installation may have been made, or changed, by another process since this one looked last.
    async fn get_ready_for(&self, installation: &Installation) -> Result<(), CallError> {
        let version = (installation.id, installation.generation);
        let mut ready = self.ready.lock().await;
        if ready.installations.contains(&version) {
            return Ok(());
        }
        let store = self.host.lifecycle.store();
        // Its tables were made before it became active, and thereby before this revision: a catalogue that
        // was read since has them.
        let revision = store.revision().await.map_err(|error| HookError::Host(error.into()))?;
        if ready.catalog.is_none_or(|read_at| read_at < revision) {
            self.host.refresh_catalog().await.map_err(|error| unavailable(&error))?;
            ready.catalog = Some(revision);
        }
        if !self.host.runtime.has(installation.component) {
            let bytes = store
                .component(installation.component)
                .await
                .map_err(|error| HookError::Host(error.into()))?;
            let bytes = bytes.ok_or_else(|| unavailable(&"an installed component is not in the store"))?;
            self.host.runtime.inspect(&bytes).await.map_err(HookError::Host)?;
        }
        ready.installations.insert(version);
        Ok(())
    }
}

/// The reason is for the log; whoever called learns that it is not their fault.
fn unavailable(reason: &dyn std::fmt::Display) -> HookError {
    tracing::error!(%reason, "an installation cannot be served");
    HookError::Host(Failure::new(ErrorCode::DatabaseUnavailable, "the applet cannot be served at the moment"))
}

/// A new id that sorts by time. Its random part comes from this thread's own generator: asking the
/// operating system costs a system call per request.
fn request_id() -> RequestId {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let milliseconds = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let id = uuid::Builder::from_unix_timestamp_millis(milliseconds, &rand::random::<[u8; 10]>());
    RequestId::new(id.into_uuid())
}

impl Service {
    /// Calls a hook, and tells which invocation it was, if it came to one.
    pub async fn invoke(&self, caller: &Caller, request: HookRequest) -> (Reply, Option<Arc<Invocation>>) {
        let began = Instant::now();
        let key = (caller.tenant, request.workspace, request.applet);
        let running = self.running.begin(key.clone());
        let installation = match self.installation(key).await {
            Ok(installation) => installation,
            Err(error) => return (Reply::refused(error), None),
        };
        let mut invocation = installation.invocation(request_id(), caller.actor(), &request.locale, began);
        let admitted = match self.host.accounts.admit(&invocation, Instant::now()) {
            Ok(admitted) => admitted,
            Err(failure) => return (Reply::refused(failure), None),
        };
        invocation.budget = Arc::new(Budget::on(admitted.account()));
        let invocation = Arc::new(invocation);
        let component = self.component_of(&installation);
        let hook = HookCall::Named { name: request.hook, payload: request.payload };
        let outcome = tokio::select! {
            outcome = self.host.runtime.call(component, Arc::clone(&invocation), hook) => outcome,
            // Dropping the call ends the instance; an open transaction is rolled back with it.
            () = running.ended() => {
                let why = "the applet was switched off while the hook ran";
                Err(Failure::new(ErrorCode::AppletDisabled, why).into())
            }
        };
        let (budget, now) = (&invocation.budget, Instant::now());
        if let Some(change) = admitted.ended(&outcome, budget.was_turned_away(), now) {
            circuit::log(change, &invocation, &outcome);
        }
        let usage = budget.usage(now.duration_since(began));
        tracing::debug!(
            target: "service.usage", request = %invocation.request, applet = %invocation.applet, ?usage, "ended"
        );
        (Reply { answer: outcome.map_err(CallError::from), usage: Some(usage) }, Some(invocation))
    }
}

#[async_trait]
impl Hooks for Service {
    async fn call(&self, caller: &Caller, request: HookRequest) -> Reply {
        self.invoke(caller, request).await.0
    }

    async fn ready(&self) -> Result<(), String> {
        self.host.lifecycle.store().applets().await.map(drop).map_err(|error| error.to_string())
    }
}
