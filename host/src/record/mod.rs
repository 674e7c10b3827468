//! Recordings, as commands order and keep them. What records is `applet_wiring::record`.
//!
//! Start reading at [`door`] (the side of a host that serves), then [`Folder`].

pub(crate) mod door;
mod keep;

use applet_recording::Head;
use chrono::{DateTime, TimeDelta, Utc};

pub(crate) use applet_wiring::record::{Call, ORDER_BYTES, Order, Recorder, Taken, recorded_level};
pub(crate) use keep::{Folder, write_recording};

/// Where a tenant's recordings may be kept for a while, unless an order says otherwise.
pub(crate) fn usual_keep() -> TimeDelta {
    TimeDelta::days(7)
}

/// Whether a file may be kept no longer.
pub(crate) fn is_expired(head: &Head, now: DateTime<Utc>) -> bool {
    head.expires_at.is_some_and(|expires| expires <= now)
}
