//! Runs applets: WebAssembly components, in fresh instances unless a manifest asks otherwise, each held to its limits, with nothing to reach
//! but a [`Database`], a log and a clock.
//!
//! *Invariants:* no statement is executed here and no SQL type is seen (that is behind [`Database`]); a store
//! is made in one place, with every limit set; compiled code is loaded only if this host wrote it; whatever
//! ends a hook but an ordinary answer, its instance is dropped and its open transaction with it.
//!
//! Start reading at [`Runtime`], then `call.rs` (one call), `guest.rs` (its limits) and `host/` (what guests
//! can call).

mod back_room;
mod call;
mod compile;
mod compile_child;
mod components;
mod convert;
mod cpu;
mod engine;
mod fault;
mod guest;
mod hooks;
mod host;
mod http;
mod interfaces;
mod limits;
mod load;
mod log;
mod meter;
mod nature;
pub mod package;
mod seal;
mod slots;
mod spin;
mod warm;
mod wasi;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use applet_bindings::{context, db, hook_types, types};
use applet_types::{
    Applets, ComponentDigest, ComponentReport, Database, Failure, HookCall, HookError, Invocation,
};
use async_trait::async_trait;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

pub use compile::{CompilerProgram, compile_child_main};
pub use limits::RuntimeLimits;
pub use log::{GuestLog, GuestLogLevel, TracingLog};
pub use nature::{Clocks, Given, Nature};

use back_room::BackRoom;
use compile::Compiler;
use components::Components;
use cpu::Tallies;
use guest::Guest;
use slots::Slots;
use warm::Warm;

/// What a runtime needs.
pub struct RuntimeConfig {
    /// Where compiled components are kept; only the host's user may write there.
    pub cache_dir: PathBuf,
    /// The program that compiles.
    pub compiler: CompilerProgram,
    /// The only way to data.
    pub database: Arc<dyn Database>,
    /// Takes what guests log.
    pub log: Arc<dyn GuestLog>,
    /// What it is held to.
    pub limits: RuntimeLimits,
}

/// Why a runtime cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory of compiled components cannot be used.
    #[error("the directory `{directory}` for compiled components cannot be used: {cause}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The engine cannot be set up, usually because the address space is limited.
    #[error("the WebAssembly engine cannot be started: {0}")]
    Engine(String),
}

/// Runs components. Cheap to share behind an `Arc`.
pub struct Runtime {
    engine: Engine,
    components: Components,
    slots: Slots,
    warm: Warm,
    tallies: Tallies,
    room: Arc<BackRoom>,
    database: Arc<dyn Database>,
    log: Arc<dyn GuestLog>,
    nature: Option<Arc<dyn Nature>>,
}

impl Runtime {
    /// Sets up the engine and the directory of compiled components.
    ///
    /// # Errors
    ///
    /// When either cannot be used.
    pub fn new(config: RuntimeConfig) -> Result<Self, StartError> {
        let engine_error = |error: wasmtime::Error| StartError::Engine(format!("{error:#}"));
        let engine = engine::running(&config.limits).map_err(engine_error)?;
        let linker = linker(&engine).map_err(engine_error)?;
        engine::start_ticker(&engine).map_err(|error| StartError::Engine(error.to_string()))?;
        let compatibility = engine::compatibility(&engine);
        let compiler = Compiler::new(config.compiler, config.limits.clone());
        let directory = config.cache_dir;
        let components = Components::new(
            engine.clone(),
            linker,
            directory.clone(),
            compatibility,
            compiler,
            config.limits.components_in_memory,
        )
        .map_err(|cause| StartError::Directory { directory, cause })?;
        let slots = Slots::new(config.limits);
        let room = BackRoom::open(cpu::cores()).map_err(|error| StartError::Engine(error.to_string()))?;
        Ok(Self {
            engine,
            components,
            slots,
            warm: Warm::default(),
            tallies: Tallies::new(),
            room: Arc::new(room),
            database: config.database,
            log: config.log,
            nature: None,
        })
    }

    /// Asks for each invocation whether it is given time and chance.
    #[must_use]
    pub fn under(self, nature: Arc<dyn Nature>) -> Self {
        Self { nature: Some(nature), ..self }
    }

    /// Whether this host has the component already. One that another host took in has to be inspected
    /// here before it can be called.
    pub fn has(&self, component: ComponentDigest) -> bool {
        self.components.has(component)
    }
}

#[async_trait]
impl Applets for Runtime {
    async fn inspect(&self, component: &[u8]) -> Result<ComponentReport, Failure> {
        self.components.inspect(component).await
    }

    async fn call(
        &self,
        component: ComponentDigest,
        call: Arc<Invocation>,
        hook: HookCall,
    ) -> Result<String, HookError> {
        let deadline = call::deadline(&call, Instant::now());
        let loaded = self.components.get(component).await?;
        let slot = self.slots.take(&call.applet, call.tenant, deadline).await?;
        let means = call::Means {
            engine: self.engine.clone(),
            component: loaded,
            digest: component,
            database: Arc::clone(&self.database),
            log: Arc::clone(&self.log),
            slot,
            warm: self.warm.clone(),
            tally: self.tallies.of(&call.applet),
            room: Arc::clone(&self.room),
            given: self.nature.as_ref().and_then(|nature| nature.given(&call)),
        };
        call::run(means, call, hook, deadline).await
    }
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    types::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    hook_types::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    db::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    context::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    applet_bindings::log::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    spin::add_to_linker(&mut linker)?;
    http::add_to_linker(&mut linker)?;
    host::add_config_and_logging(&mut linker)?;
    Ok(linker)
}
