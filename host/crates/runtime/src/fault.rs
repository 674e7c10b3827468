//! Our own faults: the log gets the cause, everybody else a reference to look it up by.

use std::fmt::Display;

use applet_types::Failure;
use uuid::Uuid;

/// Logs the cause under a new reference.
pub(crate) fn internal(place: &'static str, cause: &dyn Display) -> Failure {
    let reference = Uuid::now_v7();
    tracing::error!(target: "runtime.fault", %reference, place, cause = %cause, "internal error");
    Failure::internal(reference)
}
