//! Collects what an invocation does, while it does it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use applet_types::{Encoding, Failure, Outcome, Statement, Usage};

use crate::recording::{Asked, Begun, Ended, Ending, Event, Head, Level, Line, Readings, Recording};

/// What an event takes besides its texts and rows.
const EVENT_BYTES: usize = 128;
/// The most readings that are kept of one clock. A clock that moves by milliseconds has fewer in any time that an
/// invocation may take.
const MOST_READINGS: usize = 200_000;

/// One invocation's tape.
#[derive(Debug)]
pub struct Tape {
    inner: Mutex<Inner>,
    most: usize,
}

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Event>,
    readings: Readings,
    bytes: usize,
    transactions: u32,
}

/// Where the answer belongs that something is still waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(usize);

impl Ticket {
    /// The position of the event.
    pub const fn position(self) -> usize {
        self.0
    }
}

/// There was more than a recording may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the invocation has more than the {0} bytes that a recording may hold")]
pub struct TooMuch(pub usize);

impl Tape {
    /// One for at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self { inner: Mutex::default(), most }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A statement or a batch is sent.
    pub fn asked(
        &self,
        transaction: Option<u32>,
        statements: &[Statement],
        batch: bool,
        encoding: Encoding,
    ) -> Ticket {
        let bytes = statements.iter().map(size_of).sum();
        let statements = if self.is_full() { Vec::new() } else { statements.to_vec() };
        self.put(Event::Asked(Asked { transaction, statements, batch, encoding, answer: None }), bytes)
    }

    /// It was answered.
    pub fn answered(&self, ticket: Ticket, answer: Result<&[Outcome], &Failure>) {
        let bytes = answer.map_or(EVENT_BYTES, |outcomes| {
            outcomes.iter().map(|outcome| outcome.rows.data.len() + EVENT_BYTES).sum()
        });
        let mut inner = self.inner();
        inner.bytes = inner.bytes.saturating_add(bytes);
        if inner.bytes <= self.most
            && let Some(Event::Asked(asked)) = inner.events.get_mut(ticket.0)
        {
            asked.answer = Some(answer.map(<[Outcome]>::to_vec).map_err(Clone::clone));
        }
    }

    /// A transaction is opened; gives its number.
    pub fn begins(&self) -> (Ticket, u32) {
        let transaction = {
            let mut inner = self.inner();
            inner.transactions += 1;
            inner.transactions
        };
        (self.put(Event::Begun(Begun { transaction, answer: None }), 0), transaction)
    }

    /// A transaction is ended.
    pub fn ends(&self, transaction: u32, commit: bool) -> Ticket {
        self.put(Event::Ended(Ended { transaction, commit, answer: None }), 0)
    }

    /// Beginning or ending a transaction was answered.
    pub fn done(&self, ticket: Ticket, done: Result<(), &Failure>) {
        let done = Some(done.map_err(Clone::clone));
        match self.inner().events.get_mut(ticket.0) {
            Some(Event::Begun(begun)) => begun.answer = done,
            Some(Event::Ended(ended)) => ended.answer = done,
            Some(Event::Asked(_) | Event::Line(_)) | None => {}
        }
    }

    /// A line was written.
    pub fn line(&self, level: Level, text: &str) {
        self.put(Event::Line(Line { level, text: text.to_owned() }), text.len());
    }

    /// The wall clock was read.
    pub fn read_wall(&self, milliseconds: u64) {
        read(&mut self.inner().readings.wall, milliseconds);
    }

    /// The monotonic clock was read.
    pub fn read_monotonic(&self, nanoseconds: u64) {
        read(&mut self.inner().readings.monotonic, nanoseconds);
    }

    /// Everything so far. What is under way stays without an answer.
    ///
    /// # Errors
    ///
    /// When there was more than fits: half a recording would lie.
    pub fn finish(&self, head: Head, ending: Ending, usage: Usage) -> Result<Recording, TooMuch> {
        let payload =
            head.payload.len() + if let Ending::Answer(answer) = &ending { answer.len() } else { 0 };
        if self.inner().bytes.saturating_add(payload) > self.most {
            return Err(TooMuch(self.most));
        }
        let (events, readings) = self.take();
        Ok(Recording { head, events, readings, ending, usage })
    }

    /// Everything so far, however much.
    pub(crate) fn take(&self) -> (Vec<Event>, Readings) {
        let mut inner = self.inner();
        (std::mem::take(&mut inner.events), std::mem::take(&mut inner.readings))
    }

    /// Bytes so far, as they are counted.
    pub fn bytes(&self) -> usize {
        self.inner().bytes
    }

    fn is_full(&self) -> bool {
        self.inner().bytes > self.most
    }

    fn put(&self, event: Event, bytes: usize) -> Ticket {
        let mut inner = self.inner();
        inner.bytes = inner.bytes.saturating_add(bytes).saturating_add(EVENT_BYTES);
        // What is beyond is counted and not kept: it is known by then that there will be no recording.
        if inner.bytes > self.most {
            return Ticket(usize::MAX);
        }
        inner.events.push(event);
        Ticket(inner.events.len() - 1)
    }
}

fn size_of(statement: &Statement) -> usize {
    let parameters: usize = statement.parameters.iter().map(applet_types::Value::size).sum();
    statement.sql.len() + parameters + EVENT_BYTES
}

/// A clock that stands still is read as often as a guest likes.
fn read(readings: &mut Vec<(u64, u32)>, value: u64) {
    let room = readings.len() < MOST_READINGS;
    match readings.last_mut() {
        Some((last, times)) if *last == value && *times < u32::MAX => *times += 1,
        _ if room => readings.push((value, 1)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_a_tape_is_bounded_and_says_so() {
        let tape = Tape::new(1_000);
        let statement = Statement { sql: "x".repeat(400), parameters: Vec::new() };
        for _ in 0..100 {
            tape.asked(None, std::slice::from_ref(&statement), false, Encoding::Json);
        }
        assert!(tape.inner().events.len() < 3, "what does not fit is not kept");
        assert!(tape.is_full());
    }

    #[test]
    fn f10_readings_of_a_clock_that_stands_still_are_counted() {
        let tape = Tape::new(1_000);
        [5, 5, 5, 7].into_iter().for_each(|value| tape.read_wall(value));
        assert_eq!(tape.take().1.wall, [(5, 3), (7, 1)]);
    }
}
