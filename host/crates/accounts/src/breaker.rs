//! Leaves an installation alone that keeps failing (S4x.6).
//!
//! Closed, everybody passes and endings are counted over a window. Enough failures open it: everybody is
//! refused until the cool-down is over. Then one invocation passes to try: it closes the circuit, or opens it
//! anew.
//!
//! *Invariant:* pure, the time is a parameter. Whoever was let through to try has to end, or to withdraw: the
//! circuit waits for nobody who is gone.

use std::time::Duration;

use applet_types::BreakerLimits;

use crate::bucket::Moment;
use crate::ending::Ending;

const SECOND: u64 = 1_000_000_000;

/// Parts of the window: how finely failures grow old.
const PARTS: u64 = 12;

/// How long somebody has to wait while another one tries.
const WHILE_TRYING: Duration = Duration::from_secs(1);

/// How an invocation came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// The circuit is closed.
    Ordinary,
    /// It is open, and this one tries.
    Trial,
}

/// What an ending made of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Invocations are refused from now on.
    Opened {
        /// Failures within the window.
        failures: u64,
        /// Until one may try again.
        cool_down: Duration,
    },
    /// The one that tried has failed as well.
    StaysOpen,
    /// Invocations pass again.
    Closed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Closed,
    /// Nobody passes before then.
    Open(Moment),
    /// One is trying.
    Trying,
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    number: u64,
    failed: u64,
    answered: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    parts: [Part; PARTS as usize],
}

impl Breaker {
    pub(crate) const fn state(&self) -> State {
        self.state
    }

    /// Lets an invocation through, or says how long to wait.
    pub(crate) fn enter(&mut self, now: Moment) -> Result<Pass, Duration> {
        match self.state {
            State::Closed => Ok(Pass::Ordinary),
            State::Open(until) if now >= until => {
                self.state = State::Trying;
                Ok(Pass::Trial)
            }
            State::Open(until) => Err(Duration::from_nanos(until - now)),
            State::Trying => Err(WHILE_TRYING),
        }
    }

    /// An invocation that had come through is over.
    pub(crate) fn ended(
        &mut self,
        pass: Pass,
        ending: Ending,
        limits: &BreakerLimits,
        now: Moment,
    ) -> Option<Change> {
        match (pass, self.state, ending) {
            (_, _, Ending::Unknown) => {
                self.withdraw(pass);
                None
            }
            (Pass::Trial, State::Trying, Ending::Answered) => {
                *self = Self::default();
                Some(Change::Closed)
            }
            (Pass::Trial, State::Trying, Ending::Failed) => {
                self.state = open(limits, now);
                Some(Change::StaysOpen)
            }
            (Pass::Ordinary, State::Closed, Ending::Answered | Ending::Failed) => {
                self.count(ending == Ending::Failed, limits, now)
            }
            // It began before the circuit opened, and has no say any more.
            (Pass::Ordinary, State::Open(_) | State::Trying, _) => None,
            // Only one tries at a time, and only its end leaves that state.
            (Pass::Trial, State::Closed | State::Open(_), _) => None,
        }
    }

    /// Somebody who had come through is gone, and nothing is known of the applet. If they were to try, the
    /// next one may at once.
    pub(crate) fn withdraw(&mut self, pass: Pass) {
        if pass == Pass::Trial && self.state == State::Trying {
            self.state = State::Open(0);
        }
    }

    fn count(&mut self, failed: bool, limits: &BreakerLimits, now: Moment) -> Option<Change> {
        let number = part_of(limits, now);
        let place = usize::try_from(number % PARTS).unwrap_or(0);
        let part = self.parts.get_mut(place)?;
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        if !failed {
            part.answered += 1;
            return None;
        }
        part.failed += 1;
        let (failures, answered) = self.within(limits, now);
        let share = failures.saturating_mul(100) >= limits.failed_percent.saturating_mul(failures + answered);
        if failures < limits.failures || !share {
            return None;
        }
        *self = Self { state: open(limits, now), ..Self::default() };
        Some(Change::Opened { failures, cool_down: Duration::from_secs(limits.cool_down_s) })
    }

    /// Failures and answers within the window.
    pub(crate) fn within(&self, limits: &BreakerLimits, now: Moment) -> (u64, u64) {
        let number = part_of(limits, now);
        let recent = self.parts.iter().filter(|part| part.number + PARTS > number);
        recent.fold((0, 0), |(failed, answered), part| (failed + part.failed, answered + part.answered))
    }
}

fn open(limits: &BreakerLimits, now: Moment) -> State {
    State::Open(now.saturating_add(limits.cool_down_s.saturating_mul(SECOND)))
}

fn part_of(limits: &BreakerLimits, now: Moment) -> u64 {
    let length = (limits.window_s.saturating_mul(SECOND) / PARTS).max(1);
    now / length
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BreakerLimits =
        BreakerLimits { failures: 3, failed_percent: 50, window_s: 60, cool_down_s: 10 };

    fn end(breaker: &mut Breaker, ending: Ending, now: Moment) -> Option<Change> {
        let pass = breaker.enter(now).unwrap();
        breaker.ended(pass, ending, &LIMITS, now)
    }

    fn opened(now: Moment) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            assert_eq!(end(&mut breaker, Ending::Failed, now), None);
        }
        let cool_down = Duration::from_secs(10);
        assert_eq!(end(&mut breaker, Ending::Failed, now), Some(Change::Opened { failures: 3, cool_down }));
        breaker
    }

    #[test]
    fn s4x_6_enough_failures_open_it_and_the_cool_down_lets_one_try() {
        let mut breaker = opened(5 * SECOND);
        assert_eq!(breaker.enter(5 * SECOND), Err(Duration::from_secs(10)));
        assert_eq!(breaker.enter(14 * SECOND), Err(Duration::from_secs(1)));
        assert_eq!(breaker.enter(15 * SECOND), Ok(Pass::Trial));
        assert_eq!(breaker.enter(15 * SECOND), Err(WHILE_TRYING), "one at a time");
        assert_eq!(breaker.ended(Pass::Trial, Ending::Failed, &LIMITS, 16 * SECOND), Some(Change::StaysOpen));
        assert_eq!(breaker.enter(25 * SECOND), Err(Duration::from_secs(1)), "the cool-down starts anew");
        assert_eq!(breaker.enter(26 * SECOND), Ok(Pass::Trial));
        assert_eq!(breaker.ended(Pass::Trial, Ending::Answered, &LIMITS, 27 * SECOND), Some(Change::Closed));
        assert_eq!(breaker.enter(27 * SECOND), Ok(Pass::Ordinary));
        assert_eq!(breaker.within(&LIMITS, 27 * SECOND), (0, 0), "it begins anew");
    }

    #[test]
    fn s4x_6_one_who_tried_without_a_result_makes_room_for_the_next() {
        let mut breaker = opened(0);
        assert_eq!(breaker.enter(10 * SECOND), Ok(Pass::Trial));
        assert_eq!(breaker.ended(Pass::Trial, Ending::Unknown, &LIMITS, 11 * SECOND), None);
        assert_eq!(breaker.enter(11 * SECOND), Ok(Pass::Trial));
    }

    #[test]
    fn s4x_6_failures_grow_old() {
        let mut breaker = Breaker::default();
        end(&mut breaker, Ending::Failed, 0);
        end(&mut breaker, Ending::Failed, 30 * SECOND);
        assert_eq!(breaker.within(&LIMITS, 59 * SECOND).0, 2);
        assert_eq!(end(&mut breaker, Ending::Failed, 60 * SECOND), None, "the first one no longer counts");
        assert!(end(&mut breaker, Ending::Failed, 61 * SECOND).is_some());
    }

    #[test]
    fn s4x_6_most_of_what_ends_has_to_have_failed() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            end(&mut breaker, Ending::Answered, 0);
        }
        for _ in 0..9 {
            assert_eq!(end(&mut breaker, Ending::Failed, 0), None);
        }
        assert!(end(&mut breaker, Ending::Failed, 0).is_some(), "half of twenty");
    }

    #[test]
    fn s4x_6_endings_that_say_nothing_of_the_applet_do_not_count() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            assert_eq!(end(&mut breaker, Ending::Unknown, 0), None);
        }
        assert_eq!(breaker.within(&LIMITS, 0), (0, 0));
    }

    #[test]
    fn s4x_6_who_began_before_it_opened_has_no_say() {
        let mut breaker = Breaker::default();
        let early = breaker.enter(0).unwrap();
        for _ in 0..3 {
            end(&mut breaker, Ending::Failed, 0);
        }
        assert_eq!(breaker.ended(early, Ending::Answered, &LIMITS, 1), None);
        assert!(breaker.enter(1).is_err());
        assert_eq!(breaker.enter(10 * SECOND), Ok(Pass::Trial));
        assert_eq!(breaker.ended(early, Ending::Answered, &LIMITS, 10 * SECOND), None);
        assert_eq!(breaker.state(), State::Trying);
    }
}
