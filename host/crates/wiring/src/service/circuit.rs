//! The host's log of circuits: who was left alone, why, and since when it works again.

use applet_accounts::Change;
use applet_types::{HookError, Invocation};

/// Says what an invocation's end made of its installation's circuit. The applet's own words stay out: they may
/// be anything.
pub(super) fn log(change: Change, call: &Invocation, outcome: &Result<String, HookError>) {
    let (tenant, applet, installation) = (&call.tenant, &call.applet, &call.installation);
    let last = match outcome {
        Ok(_) => "answered",
        Err(HookError::Host(failure)) => failure.code.as_str(),
        Err(HookError::Applet { .. }) => HookError::CRASHED,
        Err(HookError::NoSuchHook(_)) => "no-such-hook",
    };
    match change {
        Change::Opened { failures, cool_down } => tracing::warn!(
            target: "service.circuit", %tenant, %applet, %installation, failures, last,
            cool_down_s = cool_down.as_secs(), "circuit opened: the applet keeps failing"
        ),
        Change::StaysOpen => tracing::warn!(
            target: "service.circuit", %tenant, %applet, %installation, last,
            "circuit stays open: the applet has failed again"
        ),
        Change::Closed => tracing::info!(
            target: "service.circuit", %tenant, %applet, %installation, "circuit closed: the applet answers"
        ),
    }
}
