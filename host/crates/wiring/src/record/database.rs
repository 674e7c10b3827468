//! The way to data, with a tape beside it for invocations that are recorded.

use std::sync::Arc;

use applet_recording::Tape;
use applet_types::{Database, Encoding, Failure, Invocation, Outcome, SqlName, Statement, Transaction};
use async_trait::async_trait;

use super::Recorder;

/// A database whose answers are put on the tape of the invocation that asks, if it has one.
pub struct Recorded {
    /// The database.
    pub database: Arc<dyn Database>,
    /// Knows which invocations have a tape.
    pub recorder: Recorder,
}

#[async_trait]
impl Database for Recorded {
    async fn query(
        &self,
        call: &Invocation,
        statement: &Statement,
        encoding: Encoding,
    ) -> Result<Outcome, Failure> {
        let Some(tape) = self.recorder.tape(call.request) else {
            return self.database.query(call, statement, encoding).await;
        };
        let ticket = tape.asked(None, std::slice::from_ref(statement), false, encoding);
        let answer = self.database.query(call, statement, encoding).await;
        tape.answered(ticket, answer.as_ref().map(std::slice::from_ref));
        answer
    }

    async fn batch(
        &self,
        call: &Invocation,
        statements: &[Statement],
        encoding: Encoding,
    ) -> Result<Vec<Outcome>, Failure> {
        let Some(tape) = self.recorder.tape(call.request) else {
            return self.database.batch(call, statements, encoding).await;
        };
        let ticket = tape.asked(None, statements, true, encoding);
        let answer = self.database.batch(call, statements, encoding).await;
        tape.answered(ticket, answer.as_deref());
        answer
    }

    async fn begin(&self, call: &Invocation) -> Result<Box<dyn Transaction>, Failure> {
        let Some(tape) = self.recorder.tape(call.request) else { return self.database.begin(call).await };
        let (ticket, number) = tape.begins();
        let begun = self.database.begin(call).await;
        tape.done(ticket, begun.as_ref().map(|_| ()));
        begun.map(|open| Box::new(RecordedTransaction { open, tape, number }) as Box<dyn Transaction>)
    }

    fn soft_deletable(&self, call: &Invocation, physical: &SqlName) -> bool {
        self.database.soft_deletable(call, physical)
    }
}

struct RecordedTransaction {
    open: Box<dyn Transaction>,
    tape: Arc<Tape>,
    number: u32,
}

#[async_trait]
impl Transaction for RecordedTransaction {
    async fn query(&mut self, statement: &Statement, encoding: Encoding) -> Result<Outcome, Failure> {
        let ticket = self.tape.asked(Some(self.number), std::slice::from_ref(statement), false, encoding);
        let answer = self.open.query(statement, encoding).await;
        self.tape.answered(ticket, answer.as_ref().map(std::slice::from_ref));
        answer
    }

    async fn commit(self: Box<Self>) -> Result<(), Failure> {
        let Self { open, tape, number } = *self;
        let ticket = tape.ends(number, true);
        let done = open.commit().await;
        tape.done(ticket, done.as_ref().copied());
        done
    }

    async fn rollback(self: Box<Self>) -> Result<(), Failure> {
        let Self { open, tape, number } = *self;
        let ticket = tape.ends(number, false);
        let done = open.rollback().await;
        tape.done(ticket, done.as_ref().copied());
        done
    }
}
