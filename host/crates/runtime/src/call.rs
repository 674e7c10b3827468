//! One call of a hook, from the slot to the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_types::{ComponentDigest, Database, ErrorCode, Failure, HookCall, HookError, Invocation};
use tokio::time::timeout_at;
use wasmtime::{Engine, Trap};
use wasmtime_wasi::I32Exit;

use crate::back_room::BackRoom;
use crate::components::Loaded;
use crate::cpu::Tally;
use crate::fault;
use crate::guest::{Guest, Stop};
use crate::log::{CappedLog, GuestLog};
use crate::meter::{Meter, Metered, Panic};
use crate::nature::Given;
use crate::slots::Slot;
use crate::warm::{Instance, Warm};

/// When a call has to be over: its own deadline, or the wall clock that its limits give it.
pub(crate) fn deadline(call: &Invocation, now: Instant) -> Instant {
    call.deadline.min(now + Duration::from_millis(call.limits.execution.wall_ms))
}

/// What a call needs besides itself.
pub(crate) struct Means {
    pub(crate) engine: Engine,
    pub(crate) component: Arc<Loaded>,
    pub(crate) digest: ComponentDigest,
    pub(crate) database: Arc<dyn Database>,
    pub(crate) log: Arc<dyn GuestLog>,
    pub(crate) slot: Slot,
    pub(crate) warm: Warm,
    pub(crate) tally: Arc<Tally>,
    pub(crate) room: Arc<BackRoom>,
    /// Time and chance, if it has others than this machine's.
    pub(crate) given: Option<Given>,
}

/// Runs a hook, in a fresh instance unless the installation's are reused and one waits. Unless it is kept
/// after an ordinary answer, the instance and all it held are gone afterwards, whatever happens: an open
/// transaction is dropped with it, and thereby rolled back.
pub(crate) async fn run(
    means: Means,
    call: Arc<Invocation>,
    hook: HookCall,
    deadline: Instant,
) -> Result<String, HookError> {
    let meter = Arc::new(Meter::default());
    let instance = means.instance(&call, &hook, &meter);
    let Means { component, slot, warm, tally, room, given, .. } = means;
    // One that others ran in before would not be found again, and one with given time goes to nobody else.
    let keeps = given.is_none();
    let log = instance.store.data().log.clone();
    let its_log = log.clone();
    let work = async move {
        // Held until the instance is gone, or kept, wherever that is: what is declared last goes first.
        let _slot = slot;
        let mut instance = instance;
        let called = component.hooks.call(&mut instance.store, &mut instance.hooks, &hook).await;
        // Before somebody else may have the instance.
        its_log.finish();
        match called {
            Ok(answer) => {
                if keeps {
                    warm.keep(instance);
                }
                answer
            }
            Err(error) => Err(explain(&error, instance.store.data())),
        }
    };
    let applet = call.applet.clone();
    let count = Box::new(move |spent| call.budget.cpu(&call.limits, spent, Instant::now()));
    let work = Metered::new(meter, tally, room, applet, count, work);
    // Whoever did not come to its end has not finished its log.
    match timeout_at(deadline.into(), work).await {
        Err(_) => {
            log.finish();
            Err(Failure::new(ErrorCode::Deadline, "the hook did not finish in time").into())
        }
        Ok(Err(panic)) => {
            log.finish();
            Err(fault::internal("call.panic", &words(&panic)).into())
        }
        Ok(Ok(answer)) => answer,
    }
}

impl Means {
    /// One that waits, for a named hook; else a fresh one.
    fn instance(&self, call: &Arc<Invocation>, hook: &HookCall, meter: &Arc<Meter>) -> Instance {
        let named = matches!(hook, HookCall::Named { .. }) && self.given.is_none();
        if let Some(mut instance) = named.then(|| self.warm.take(self.digest, call)).flatten() {
            instance.store.data_mut().turn_to(call, Arc::clone(meter));
            instance.store.set_epoch_deadline(1);
            return instance;
        }
        let log = CappedLog::new(Arc::clone(call), Arc::clone(&self.log));
        let database = Arc::clone(&self.database);
        let (call, meter, given) = (Arc::clone(call), Arc::clone(meter), self.given.as_ref());
        let told = Arc::clone(&self.component.told);
        let store = Guest::store(&self.engine, call, database, log, meter, told, given);
        Instance::new(store, self.digest)
    }
}

fn words(panic: &Panic) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

/// Says why a guest was ended. What the host did not decide is the guest's own crash.
fn explain(error: &wasmtime::Error, guest: &Guest) -> HookError {
    let limits = &guest.call.limits.execution;
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return Failure::new(ErrorCode::BudgetSpent, stop.to_string()).into();
    }
    if guest.space.refused() {
        let reason = format!(
            "the hook needs more than {} bytes of memory or {} table elements",
            limits.memory_bytes, limits.table_elements
        );
        return Failure::new(ErrorCode::BudgetSpent, reason).into();
    }
    let message = if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        format!("the applet exited with status {status}")
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        format!("the applet crashed: {trap}")
    } else {
        format!("the applet was ended: {}", error.root_cause())
    };
    HookError::Applet { code: HookError::CRASHED.to_owned(), message }
}
