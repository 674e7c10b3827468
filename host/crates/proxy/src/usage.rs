//! What statements cost their invocation (F4).
//!
//! *Invariant:* whatever ends a statement, its time is counted: a guest that is dropped in the middle of one
//! has used the database all the same.

use std::sync::Arc;
use std::time::Instant;

use applet_types::{Budget, Failure, Gauge, Invocation, Outcome};

/// A result's rows and bytes, those of a cached answer included.
///
/// # Errors
///
/// When the invocation has had its share.
pub(crate) fn count(call: &Invocation, outcome: &Outcome) -> Result<(), Failure> {
    let rows = outcome.affected.max(outcome.rows.count.into());
    call.budget.result(&call.limits, rows, outcome.rows.data.len(), Instant::now())
}

/// Time in which a statement works. Waiting for a session is none.
pub(crate) struct Working<'a> {
    call: &'a Invocation,
    since: Instant,
    _session: Option<Held>,
}

impl<'a> Working<'a> {
    /// On a session that is somebody else's to count.
    pub(crate) fn of(call: &'a Invocation) -> Self {
        Self { call, since: Instant::now(), _session: None }
    }

    /// On a session that was leased for it.
    pub(crate) fn on_a_session(call: &'a Invocation) -> Self {
        Self { _session: Some(Held::new(call, Gauge::SessionsInUse)), ..Self::of(call) }
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        self.call.budget.database(&self.call.limits, now.duration_since(self.since), now);
    }
}

/// Something that the installation has, as long as this lives.
pub(crate) struct Held {
    budget: Arc<Budget>,
    gauge: Gauge,
}

impl Held {
    pub(crate) fn new(call: &Invocation, gauge: Gauge) -> Self {
        call.budget.gauge(gauge, true);
        Self { budget: Arc::clone(&call.budget), gauge }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.gauge(self.gauge, false);
    }
}
