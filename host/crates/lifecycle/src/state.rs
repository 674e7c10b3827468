//! The state machine of an installation: which event leads from which state to which.
//!
//! *Invariant:* pure, and total: every state and every event has its line in
//! `tests/golden/transitions.txt`, legal or not.

use applet_store::State;
use chrono::{DateTime, Utc};

/// Something that happens to an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A plan was made.
    Plan,
    /// The plan is put before the tenant's admins.
    AskApproval,
    /// An admin approves.
    Approve,
    /// An admin refuses.
    Reject,
    /// Applying begins.
    Start,
    /// Applying comes to this step.
    Step(u32),
    /// After a crash or a passing failure, applying goes on at this step.
    Resume(u32),
    /// The last step is done.
    Finish,
    /// A step failed.
    Fail {
        /// Which.
        step: u32,
        /// Whether resuming makes sense.
        resumable: bool,
    },
    /// An admin gives up what could be resumed.
    GiveUp,
    /// An admin switches it off.
    Disable,
    /// An admin switches it on again.
    Enable,
    /// An admin uninstalls it, as was approved.
    Retire,
    /// After a crash or a passing failure, uninstalling goes on.
    ResumeRetire,
    /// It is gone; its data are kept until then.
    Retired(DateTime<Utc>),
}

impl Event {
    /// The stable name, without details.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::AskApproval => "ask-approval",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Start => "start",
            Self::Step(_) => "step",
            Self::Resume(_) => "resume",
            Self::Finish => "finish",
            Self::Fail { .. } => "fail",
            Self::GiveUp => "give-up",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Retire => "retire",
            Self::ResumeRetire => "resume-retire",
            Self::Retired(_) => "retired",
        }
    }
}

/// An event that makes no sense in a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the installation is {state}; it cannot {event} now")]
pub struct IllegalTransition {
    state: &'static str,
    event: &'static str,
}

/// The state that follows.
///
/// What is active or disabled stays so while a change of it is planned, decided and applied: it goes on in
/// its old version, and switches in one moment at the end. What is retired stays so until it comes back.
///
/// # Errors
///
/// [`IllegalTransition`] when the event makes no sense in this state.
pub fn transition(state: State, event: Event) -> Result<State, IllegalTransition> {
    let illegal = IllegalTransition { state: state.as_str(), event: event.as_str() };
    match state {
        State::Submitted | State::Rejected => match event {
            Event::Plan => Ok(State::Planned),
            _ => Err(illegal),
        },
        State::Planned => match event {
            Event::Plan => Ok(State::Planned),
            Event::AskApproval => Ok(State::AwaitingApproval),
            _ => Err(illegal),
        },
        State::AwaitingApproval => match event {
            Event::Plan => Ok(State::Planned),
            Event::Approve => Ok(State::Approved),
            Event::Reject => Ok(State::Rejected),
            _ => Err(illegal),
        },
        State::Approved => match event {
            Event::Plan => Ok(State::Planned),
            Event::Approve => Ok(State::Approved),
            Event::Reject => Ok(State::Rejected),
            Event::Start => Ok(State::Applying { step: 0 }),
            // What failed for good and is taken away comes by here.
            Event::Retire => Ok(State::Retiring),
            _ => Err(illegal),
        },
        State::Applying { .. } => applying(event).ok_or(illegal),
        State::Active => match event {
            Event::Plan | Event::AskApproval | Event::Approve | Event::Reject | Event::Start => {
                Ok(State::Active)
            }
            Event::Disable => Ok(State::Disabled),
            Event::Retire => Ok(State::Retiring),
            _ => Err(illegal),
        },
        State::Disabled => match event {
            Event::Plan | Event::AskApproval | Event::Approve | Event::Reject | Event::Start => {
                Ok(State::Disabled)
            }
            Event::Enable => Ok(State::Active),
            Event::Retire => Ok(State::Retiring),
            _ => Err(illegal),
        },
        State::Failed { step, resumable } => match event {
            Event::Resume(step) if resumable => Ok(State::Applying { step }),
            Event::ResumeRetire if resumable => Ok(State::Retiring),
            Event::GiveUp if resumable => Ok(State::Failed { step, resumable: false }),
            Event::Plan if !resumable => Ok(State::Planned),
            Event::Retire if !resumable => Ok(State::Retiring),
            _ => Err(illegal),
        },
        State::Retiring => match event {
            Event::ResumeRetire => Ok(State::Retiring),
            Event::Retired(until) => Ok(State::Retired { until }),
            Event::Fail { step, resumable } => Ok(State::Failed { step, resumable }),
            _ => Err(illegal),
        },
        State::Retired { until } => match event {
            Event::Plan | Event::AskApproval | Event::Approve | Event::Reject => Ok(State::Retired { until }),
            Event::Start => Ok(State::Applying { step: 0 }),
            // What is still kept is deleted before its time.
            Event::Retire => Ok(State::Retiring),
            _ => Err(illegal),
        },
    }
}

const fn applying(event: Event) -> Option<State> {
    match event {
        Event::Step(step) | Event::Resume(step) => Some(State::Applying { step }),
        Event::Finish => Some(State::Active),
        Event::Fail { step, resumable } => Some(State::Failed { step, resumable }),
        Event::Plan
        | Event::AskApproval
        | Event::Approve
        | Event::Reject
        | Event::Start
        | Event::GiveUp
        | Event::Disable
        | Event::Enable
        | Event::Retire
        | Event::ResumeRetire
        | Event::Retired(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn states() -> Vec<State> {
        vec![
            State::Submitted,
            State::Planned,
            State::AwaitingApproval,
            State::Approved,
            State::Applying { step: 3 },
            State::Active,
            State::Disabled,
            State::Failed { step: 3, resumable: true },
            State::Failed { step: 3, resumable: false },
            State::Rejected,
            State::Retiring,
            State::Retired { until: DateTime::UNIX_EPOCH },
        ]
    }

    fn events() -> Vec<Event> {
        vec![
            Event::Plan,
            Event::AskApproval,
            Event::Approve,
            Event::Reject,
            Event::Start,
            Event::Step(4),
            Event::Resume(3),
            Event::Finish,
            Event::Fail { step: 3, resumable: true },
            Event::GiveUp,
            Event::Disable,
            Event::Enable,
            Event::Retire,
            Event::ResumeRetire,
            Event::Retired(DateTime::UNIX_EPOCH),
        ]
    }

    fn words(state: State) -> String {
        match state {
            State::Applying { step } => format!("applying step {step}"),
            State::Failed { step, resumable: true } => format!("failed at step {step}, resumable"),
            State::Failed { step, resumable: false } => format!("failed at step {step}, for good"),
            other => other.to_string(),
        }
    }

    fn matrix() -> String {
        let mut text = String::new();
        for state in states() {
            writeln!(text, "{}", words(state)).unwrap();
            for event in events() {
                let outcome = transition(state, event).map_or_else(|_| "-".to_owned(), words);
                writeln!(text, "    {:<13} {outcome}", event.as_str()).unwrap();
            }
        }
        text
    }

    #[test]
    fn s4_19_every_state_and_event_is_as_in_the_golden_matrix() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/transitions.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, matrix()).unwrap();
        }
        assert_eq!(matrix(), std::fs::read_to_string(path).unwrap(), "bless with UPDATE_GOLDEN=1");
    }

    #[test]
    fn s4_18_nothing_is_applied_that_was_not_approved() {
        for state in states() {
            let starts = transition(state, Event::Start).is_ok();
            let may =
                matches!(state, State::Approved | State::Active | State::Disabled | State::Retired { .. });
            assert_eq!(starts, may, "{state}");
        }
    }

    #[test]
    fn s4_36_nothing_is_taken_away_that_is_being_changed_or_waits_for_a_decision() {
        for state in states() {
            let retires = transition(state, Event::Retire).is_ok();
            let may = matches!(
                state,
                State::Approved
                    | State::Active
                    | State::Disabled
                    | State::Failed { resumable: false, .. }
                    | State::Retired { .. }
            );
            assert_eq!(retires, may, "{state}");
        }
    }
}
