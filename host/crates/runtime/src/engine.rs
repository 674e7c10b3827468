//! The one engine: how guests are compiled and where their memory comes from.
//!
//! Figures behind the settings are in `host/BENCHMARKS.md`. What compiles (the child) and what runs (the
//! host) have to agree on everything that shapes machine code; [`compiling`] is that part.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::time::Duration;
use std::{io, thread};

use applet_types::ExecutionLimits;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::RuntimeLimits;
use crate::warm::KEPT;

/// How often the epoch moves: the grain of CPU budgets and of fairness between guests.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Core instances, memories and tables that one component may have; adapters need a few.
pub(crate) const CORE_INSTANCES: usize = 16;
pub(crate) const MEMORIES: usize = 2;
pub(crate) const TABLES: usize = 4;

/// The largest linear memory that an operator may allow.
const MAX_MEMORY_BYTES: usize = ExecutionLimits::MAXIMUM.memory_bytes;
/// The most table elements that an operator may allow.
const MAX_TABLE_ELEMENTS: usize = ExecutionLimits::MAXIMUM.table_elements;

/// Settings that machine code depends on.
pub(crate) fn compiling() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(MAX_MEMORY_BYTES as u64)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20));
    config
}

/// The engine that guests run in. Instances are taken from a pool: ten microseconds instead of thirty.
pub(crate) fn running(limits: &RuntimeLimits) -> wasmtime::Result<Engine> {
    // Those that wait to be reused have a place of their own, so that they never keep a call from running.
    let instances = limits.instances.saturating_add(KEPT);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(instances))
        .total_core_instances(count(instances.saturating_mul(CORE_INSTANCES)))
        .total_memories(count(instances.saturating_mul(MEMORIES)))
        .total_tables(count(instances.saturating_mul(TABLES)))
        .total_stacks(count(instances))
        .max_core_instances_per_component(count(CORE_INSTANCES))
        .max_memories_per_component(count(MEMORIES))
        .max_tables_per_component(count(TABLES))
        .max_memory_size(MAX_MEMORY_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(100);
    let mut config = compiling();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// What compiled code was made for: another value means that it has to be compiled again.
pub(crate) fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// Moves the epoch until the engine is gone.
///
/// # Errors
///
/// When the thread cannot be started.
pub(crate) fn start_ticker(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("epoch-ticker".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    Ok(())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_code_compiled_by_the_child_fits_the_engine_that_runs_it() {
        let child = Engine::new(&compiling()).unwrap();
        let host = running(&RuntimeLimits { instances: 2, ..RuntimeLimits::default() }).unwrap();
        assert_eq!(compatibility(&child), compatibility(&host));
    }
}
