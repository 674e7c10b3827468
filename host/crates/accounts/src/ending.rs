//! How an invocation ended, as far as the applet is concerned.

use applet_types::{ErrorGroup, HookError};

/// What an ending says of the applet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It works: it has answered, be it with an error of its own.
    Answered,
    /// It has crashed, taken too long or spent its budget.
    Failed,
    /// Nothing: it had no chance, or the host is to blame.
    Unknown,
}

impl Ending {
    /// What a call's outcome says. One whose invocation was turned away by the host meanwhile is not held
    /// against the applet if it gave up; what it spent itself is.
    pub fn of(outcome: &Result<String, HookError>, turned_away: bool) -> Self {
        let gave_up = if turned_away { Self::Unknown } else { Self::Failed };
        match outcome {
            Ok(_) => Self::Answered,
            Err(HookError::Applet { code, .. }) if code == HookError::CRASHED => gave_up,
            Err(HookError::Applet { .. }) => Self::Answered,
            Err(HookError::NoSuchHook(_)) => Self::Unknown,
            Err(HookError::Host(failure)) => match failure.code.group() {
                ErrorGroup::LimitExceeded => Self::Failed,
                ErrorGroup::Timeout => gave_up,
                ErrorGroup::PermissionDenied
                | ErrorGroup::StatementRejected
                | ErrorGroup::InvalidArgument
                | ErrorGroup::DataError
                | ErrorGroup::ConstraintViolation
                | ErrorGroup::Conflict
                | ErrorGroup::Busy
                | ErrorGroup::Unavailable
                | ErrorGroup::OutcomeUnknown
                | ErrorGroup::ManifestInvalid
                | ErrorGroup::Internal => Self::Unknown,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use applet_types::{ErrorCode, Failure};

    use super::*;

    fn host(code: ErrorCode) -> Result<String, HookError> {
        Err(Failure::new(code, "why").into())
    }

    fn applet(code: &str) -> Result<String, HookError> {
        Err(HookError::Applet { code: code.to_owned(), message: String::new() })
    }

    #[test]
    fn s4x_6_crashes_timeouts_and_spent_budgets_are_failures_and_nothing_else_is() {
        for (outcome, alone, turned_away) in [
            (Ok("null".to_owned()), Ending::Answered, Ending::Answered),
            (applet("no-such-client"), Ending::Answered, Ending::Answered),
            (applet("table-not-allowed"), Ending::Answered, Ending::Answered),
            (applet(HookError::CRASHED), Ending::Failed, Ending::Unknown),
            (host(ErrorCode::Deadline), Ending::Failed, Ending::Unknown),
            (host(ErrorCode::BudgetSpent), Ending::Failed, Ending::Failed),
            (host(ErrorCode::ConnectionCap), Ending::Unknown, Ending::Unknown),
            (host(ErrorCode::AppletDisabled), Ending::Unknown, Ending::Unknown),
            (host(ErrorCode::DatabaseUnavailable), Ending::Unknown, Ending::Unknown),
            (host(ErrorCode::Internal), Ending::Unknown, Ending::Unknown),
            (Err(HookError::NoSuchHook("x".to_owned())), Ending::Unknown, Ending::Unknown),
        ] {
            assert_eq!(Ending::of(&outcome, false), alone, "{outcome:?}");
            assert_eq!(Ending::of(&outcome, true), turned_away, "{outcome:?}");
        }
    }
}
