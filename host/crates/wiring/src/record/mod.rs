//! Recording of invocations: beside the way to data, as `seen` is, and only where somebody has ordered it.
//!
//! A recording holds a tenant's rows. So an order names the tenant and the applet, is bounded in number, bytes and
//! time, and each call that is recorded is in the tenant's audit trail before it runs, with who ordered it. What the
//! guest is answered is what it would have been answered anyway.
//!
//! *Invariant:* an event is put on the tape of its own invocation, found by the invocation's id, and on no other; an
//! order takes invocations of its own tenant only.
//!
//! Start reading at [`Recorder`], then `database.rs`.

mod database;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use applet_proxy::Proxy;
use applet_recording::{Ending, Head, Level, Recording, Seed, Tape};
use applet_runtime::{Clocks, Given, GuestLog, GuestLogLevel, Nature};
use applet_store::{Installation, RecordedCall, Store};
use applet_types::{
    AppletId, ComponentDigest, HookCall, HookError, HookName, Invocation, RequestId, TenantId, Usage, UserId,
};
use chrono::{TimeDelta, Utc};
use tokio::sync::mpsc;

pub use database::Recorded;

/// Bytes of one recording, unless an order says less.
pub const MOST_BYTES: usize = 16 << 20;
/// Recordings that wait to be taken: as many as one order may have, since a call must not wait for whoever writes
/// them. What they take is bounded by the order's bytes.
const WAITING: usize = 100;
/// Bytes of all recordings of an order on a host that serves.
pub const ORDER_BYTES: usize = 128 << 20;

/// What somebody wants recorded.
#[derive(Debug, Clone)]
pub struct Order {
    /// Whose calls. `None` is for a private database, where all tenants are the developer's.
    pub tenant: Option<TenantId>,
    /// Of which applet.
    pub applet: Option<AppletId>,
    /// At most so many.
    pub calls: u32,
    /// Of so many bytes together.
    pub bytes: usize,
    /// Not after this.
    pub until: Option<Instant>,
    /// Without values.
    pub redact: bool,
    /// How long it may be kept.
    pub keep: Option<TimeDelta>,
    /// Who wants it, if a user of the tenant.
    pub by: Option<UserId>,
}

impl Order {
    /// Every call on a private database, where all rows are the developer's.
    pub const fn everything() -> Self {
        Self {
            tenant: None,
            applet: None,
            calls: u32::MAX,
            bytes: usize::MAX,
            until: None,
            redact: false,
            keep: None,
            by: None,
        }
    }
}

/// A recording, or why a call could not be recorded.
pub type Taken = Result<Box<Recording>, String>;

struct Standing {
    number: u64,
    order: Order,
    left: u32,
    bytes_left: Arc<AtomicUsize>,
    to: mpsc::Sender<Taken>,
}

impl Standing {
    fn wants(&self, call: &Invocation, now: Instant) -> bool {
        self.left > 0
            && !self.to.is_closed()
            && self.order.until.is_none_or(|until| now < until)
            && self.order.tenant.is_none_or(|tenant| tenant == call.tenant)
            && self.order.applet.as_ref().is_none_or(|applet| *applet == call.applet)
    }
}

#[derive(Default)]
struct State {
    orders: Vec<Standing>,
    made: u64,
    tapes: HashMap<RequestId, (Arc<Tape>, Seed)>,
}

/// Records what was ordered. Cheap to clone.
#[derive(Clone, Default)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Orders that stand: who asks most often asks nothing else.
    standing: AtomicUsize,
    /// Invocations that are being recorded.
    running: AtomicUsize,
}

/// A call that is to be recorded.
pub struct Running {
    recorder: Recorder,
    request: RequestId,
    tape: Arc<Tape>,
    head: Head,
    redact: bool,
    bytes_left: Arc<AtomicUsize>,
    to: mpsc::Sender<Taken>,
    is_told: bool,
}

/// A place that a call has taken in an order.
struct Place {
    order: Order,
    bytes_left: Arc<AtomicUsize>,
    to: mpsc::Sender<Taken>,
}

/// A call, as whoever makes it knows it.
pub struct Call<'a> {
    /// The invocation.
    pub call: &'a Invocation,
    /// The installation that it is one of.
    pub installation: &'a Installation,
    /// The component that runs.
    pub component: ComponentDigest,
    /// The hook.
    pub hook: &'a HookCall,
}

impl Recorder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an order. It stands until the receiver is dropped.
    pub fn order(&self, order: Order) -> mpsc::Receiver<Taken> {
        let (to, taken) = mpsc::channel(WAITING);
        let mut state = self.state();
        state.made += 1;
        let bytes_left = Arc::new(AtomicUsize::new(order.bytes));
        let standing = Standing { number: state.made, left: order.calls, bytes_left, order, to };
        state.orders.push(standing);
        self.shared.standing.store(state.orders.len(), Ordering::Relaxed);
        taken
    }

    /// Begins to record a call, if it was ordered. It is in the audit trail by then, or it is not recorded.
    pub async fn begin(&self, call: Call<'_>, proxy: &Proxy, store: &Store) -> Option<Running> {
        if self.shared.standing.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // Lifecycle hooks run once in a version's life, and on tables that are being changed.
        let HookCall::Named { name, payload } = call.hook else { return None };
        let Place { order, bytes_left, to } = self.take_place(call.call)?;
        let recorded = RecordedCall {
            request: call.call.request,
            tenant: call.call.tenant,
            workspace: call.call.workspace,
            installation: call.call.installation,
            applet: &call.call.applet,
            user: order.by,
            about: format!("hook `{name}`{}", if order.redact { ", without values" } else { "" }),
        };
        if let Err(error) = store.record_recording(&recorded).await {
            tracing::error!(%error, "a call is not recorded, because the audit trail does not take it");
            let _gone = to.try_send(Err("the audit trail does not take it".to_owned()));
            return None;
        }
        let head = head(&call, name, payload, &order, proxy);
        let tape = Arc::new(Tape::new(MOST_BYTES));
        self.state().tapes.insert(call.call.request, (Arc::clone(&tape), head.seed));
        self.shared.running.fetch_add(1, Ordering::Relaxed);
        let (recorder, request) = (self.clone(), call.call.request);
        Some(Running { recorder, request, tape, head, redact: order.redact, bytes_left, to, is_told: false })
    }

    /// The first order that wants this call, counted as taken.
    fn take_place(&self, call: &Invocation) -> Option<Place> {
        let now = Instant::now();
        let mut state = self.state();
        state.orders.retain(|standing| {
            standing.left > 0
                && !standing.to.is_closed()
                && standing.order.until.is_none_or(|until| now < until)
        });
        self.shared.standing.store(state.orders.len(), Ordering::Relaxed);
        let standing = state.orders.iter_mut().find(|standing| standing.wants(call, now))?;
        standing.left -= 1;
        tracing::debug!(order = standing.number, left = standing.left, "a call is recorded");
        let bytes_left = Arc::clone(&standing.bytes_left);
        Some(Place { order: standing.order.clone(), bytes_left, to: standing.to.clone() })
    }

    /// The tape of an invocation that is recorded.
    fn tape(&self, request: RequestId) -> Option<Arc<Tape>> {
        if self.shared.running.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.state().tapes.get(&request).map(|(tape, _)| Arc::clone(tape))
    }
}

fn head(call: &Call<'_>, hook: &HookName, payload: &str, order: &Order, proxy: &Proxy) -> Head {
    let Call { call, installation, component, .. } = call;
    let now = Utc::now();
    Head {
        host: env!("CARGO_PKG_VERSION").to_owned(),
        recorded_at: now,
        expires_at: order.keep.and_then(|keep| now.checked_add_signed(keep)),
        recorded_by: order.by,
        redacted: false,
        applet: call.applet.clone(),
        version: call.version.clone(),
        component: *component,
        package: installation.digest.to_string(),
        tenant: call.tenant,
        workspace: call.workspace,
        installation: call.installation,
        request: call.request,
        user: call.actor.user(),
        locale: call.locale.clone(),
        variables: (*call.variables).clone(),
        hook: hook.clone(),
        payload: payload.to_owned(),
        grants: (*call.grants).clone(),
        limits: (*call.limits).clone(),
        catalog: Head::needed(&proxy.catalog(), &call.grants),
        seed: Seed(rand::random()),
    }
}

impl Running {
    /// The call is over: what was recorded goes to whoever ordered it.
    pub fn ended(mut self, outcome: &Result<String, HookError>, usage: Usage) {
        let bytes = self.tape.bytes();
        let room = self
            .bytes_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        let recording = self.tape.finish(self.head.clone(), Ending::from(outcome.clone()), usage);
        let taken = match recording {
            Ok(_) if room.is_err() => Err("the order has no bytes left for it".to_owned()),
            Ok(recording) if self.redact => {
                Ok(Box::new(recording.redacted(rand::random(), |sql| applet_proxy::masked(sql, usize::MAX))))
            }
            Ok(recording) => Ok(Box::new(recording)),
            Err(too_much) => Err(too_much.to_string()),
        };
        self.tell(taken);
    }

    fn tell(&mut self, taken: Taken) {
        self.is_told = true;
        if self.to.try_send(taken).is_err() {
            tracing::warn!(request = %self.request, "nobody takes a recording: it is thrown away");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever counts recordings must not wait for one that will not come.
        if !self.is_told {
            self.tell(Err("the call was given up before its end".to_owned()));
        }
        if self.recorder.state().tapes.remove(&self.request).is_some() {
            self.recorder.shared.running.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A recorded invocation's clocks are this machine's, and what they show is kept.
struct Listening(Arc<Tape>);

impl Clocks for Listening {
    fn wall(&self, milliseconds: u64) -> u64 {
        self.0.read_wall(milliseconds);
        milliseconds
    }

    fn monotonic(&self, nanoseconds: u64) -> u64 {
        self.0.read_monotonic(nanoseconds);
        nanoseconds
    }
}

impl Nature for Recorder {
    fn given(&self, call: &Invocation) -> Option<Given> {
        let tape = self.tape(call.request)?;
        let seed = self.state().tapes.get(&call.request).map(|(_, seed)| seed.0)?;
        Some(Given { seed, clocks: Arc::new(Listening(tape)) })
    }
}

/// A log beside which a tape runs.
pub struct RecordedLog {
    /// The log.
    pub log: Arc<dyn GuestLog>,
    /// Knows which invocations have a tape.
    pub recorder: Recorder,
}

impl GuestLog for RecordedLog {
    fn line(&self, call: &Invocation, level: GuestLogLevel, text: &str) {
        if let Some(tape) = self.recorder.tape(call.request) {
            tape.line(recorded_level(level), text);
        }
        self.log.line(call, level, text);
    }
}

/// A level, as recordings have it.
pub const fn recorded_level(level: GuestLogLevel) -> Level {
    match level {
        GuestLogLevel::Debug => Level::Debug,
        GuestLogLevel::Info => Level::Info,
        GuestLogLevel::Warn => Level::Warn,
        GuestLogLevel::Error => Level::Error,
    }
}
