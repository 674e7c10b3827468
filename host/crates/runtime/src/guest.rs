//! What one instance has and is held to: its store is made here and nowhere else.

use std::sync::Arc;

use applet_bindings::types::Error;
use applet_types::{Budget, Database, Failure, Invocation};
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::engine::{CORE_INSTANCES, MEMORIES, TABLES};
use crate::http::Exchange;
use crate::log::CappedLog;
use crate::meter::Meter;
use crate::nature::Given;
use crate::spin::Told;
use crate::wasi;

/// Why the host ended a guest. Thrown through the guest as a trap, so that nothing of it runs on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    /// The CPU budget is spent.
    #[error("the hook used more than {0} ms of CPU")]
    Cpu(u64),
    /// Too many calls into the host.
    #[error("the hook called the host more than {0} times")]
    HostCalls(u32),
}

/// The state of one instance.
pub(crate) struct Guest {
    pub(crate) call: Arc<Invocation>,
    pub(crate) database: Arc<dyn Database>,
    pub(crate) table: ResourceTable,
    pub(crate) log: CappedLog,
    /// Transactions that are open now.
    pub(crate) transactions: u32,
    /// Connections of Spin's that are open now.
    pub(crate) connections: u32,
    /// The request that is being answered, if the component answers requests.
    pub(crate) http: Exchange,
    /// What developers were told about this component.
    pub(crate) told: Arc<Told>,
    pub(crate) space: Space,
    meter: Arc<Meter>,
    wasi: WasiCtx,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Guest {
    /// The only way to a store: every limit is set before any of the guest's code runs.
    pub(crate) fn store(
        engine: &Engine,
        call: Arc<Invocation>,
        database: Arc<dyn Database>,
        log: CappedLog,
        meter: Arc<Meter>,
        told: Arc<Told>,
        given: Option<&Given>,
    ) -> Store<Self> {
        let limits = call.limits.execution.clone();
        let handles = usize::try_from(limits.handles).unwrap_or(usize::MAX);
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        let space = Space::new(limits.memory_bytes, limits.table_elements, Arc::clone(&call.budget));
        let wasi = wasi::context(&log, &call.variables, given);
        let http = Exchange::default();
        let guest = Self {
            call,
            database,
            table,
            log,
            transactions: 0,
            connections: 0,
            http,
            told,
            space,
            meter,
            wasi,
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.space);
        store.set_hostcall_fuel(limits.host_call_bytes);
        store.set_max_component_handles(handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let Self { meter, call, .. } = context.data();
            let limit = call.limits.execution.cpu_ms;
            if meter.spent().as_millis() >= u128::from(limit) {
                return Err(wasmtime::Error::new(Stop::Cpu(limit)));
            }
            // Every tick the others get their turn.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Turns to another invocation of the same installation, whose budgets are its own. Memory that the
    /// instance has taken stays taken.
    pub(crate) fn turn_to(&mut self, call: &Arc<Invocation>, meter: Arc<Meter>) {
        self.call = Arc::clone(call);
        self.log.turn_to(call);
        self.space.turn_to(&call.budget);
        self.meter = meter;
    }

    /// Counts a call into the host; beyond the limit the guest is ended.
    pub(crate) fn count_host_call(&self) -> wasmtime::Result<()> {
        let limit = self.call.limits.execution.host_calls;
        if self.call.budget.host_call(limit) {
            Ok(())
        } else {
            Err(wasmtime::Error::new(Stop::HostCalls(limit)))
        }
    }

    /// Tells the guest why its call failed.
    pub(crate) fn refuse<T>(&self, failure: Failure) -> wasmtime::Result<Result<T, Error>> {
        self.call.budget.told(&failure);
        Ok(Err(crate::convert::error(failure)))
    }
}

/// Memory and tables of one instance, all of them together.
pub(crate) struct Space {
    bytes: usize,
    bytes_left: usize,
    elements_left: usize,
    /// Whether anything was refused: what follows is usually a trap, which this explains.
    refused: bool,
    budget: Arc<Budget>,
}

impl Space {
    fn new(bytes: usize, elements: usize, budget: Arc<Budget>) -> Self {
        Self { bytes, bytes_left: bytes, elements_left: elements, refused: false, budget }
    }

    pub(crate) const fn refused(&self) -> bool {
        self.refused
    }

    /// Tells another budget from now on, beginning with what is taken already.
    fn turn_to(&mut self, budget: &Arc<Budget>) {
        self.budget = Arc::clone(budget);
        self.tell();
    }

    fn tell(&self) {
        self.budget.memory(self.bytes.saturating_sub(self.bytes_left));
    }

    /// Bytes that may still be taken.
    pub(crate) const fn bytes_left(&self) -> usize {
        self.bytes_left
    }
}

/// Takes what is wanted from what is left, if there is enough.
fn take(left: &mut usize, current: usize, desired: usize) -> bool {
    let enough = desired.checked_sub(current).and_then(|more| left.checked_sub(more));
    if let Some(rest) = enough {
        *left = rest;
    }
    enough.is_some()
}

impl ResourceLimiter for Space {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = take(&mut self.bytes_left, current, desired);
        self.tell();
        self.refused |= !granted;
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = take(&mut self.elements_left, current, desired);
        self.refused |= !granted;
        Ok(granted)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_memories_of_one_instance_count_together() {
        let budget = Arc::<Budget>::default();
        let mut space = Space::new(100, 10, Arc::clone(&budget));
        assert!(space.memory_growing(0, 60, None).unwrap());
        assert!(space.memory_growing(0, 40, None).unwrap());
        assert!(!space.refused());
        assert!(!space.memory_growing(60, 61, None).unwrap());
        assert!(space.refused());
        assert_eq!(budget.usage(std::time::Duration::ZERO).memory_bytes, 100);
    }

    #[test]
    fn s4_tables_of_one_instance_count_together() {
        let mut space = Space::new(100, 10, Arc::default());
        assert!(space.table_growing(0, 10, None).unwrap());
        assert!(!space.table_growing(0, 1, None).unwrap());
    }
}
