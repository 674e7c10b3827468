//! The way to data of a build that is played a recording: the proxy's checks in the proxy's order, and then the
//! recorded answer.

use std::sync::Arc;
use std::time::Instant;

use applet_proxy::{gone, masked};
use applet_recording::{Reply, Verdict};
use applet_types::{
    Database, Encoding, ErrorCode, Failure, Invocation, Outcome, SqlName, Statement, Transaction,
};
use async_trait::async_trait;

use super::{Judge, Shared};

/// Answers from a recording.
pub(super) struct Answers {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    judge: Judge,
}

impl Answers {
    pub(super) fn new(shared: Shared, judge: Judge) -> Self {
        Self { inner: Arc::new(Inner { shared, judge }) }
    }
}

/// A question, wherever it is asked.
struct Question<'a> {
    transaction: Option<u32>,
    statements: &'a [Statement],
    batch: bool,
    encoding: Encoding,
}

impl Inner {
    /// Waits for ever once nothing can be answered: whoever runs the build drops it.
    async fn stop<T>(&self) -> T {
        self.shared.stop.notify_one();
        std::future::pending().await
    }

    /// Counts a statement, lets the gate judge it, and checks its parameters. The outer error is a refusal by
    /// anybody but the gate.
    fn admit(&self, call: &Invocation, statement: &Statement) -> Result<Verdict, Failure> {
        let now = Instant::now();
        call.budget.statement(&call.limits, now)?;
        call.time_left(now)?;
        let verdict = self.judge.verdict(&statement.sql);
        let Verdict::Passed(judged) = &verdict else { return Ok(verdict) };
        let (takes, given) = (usize::from(judged.parameters), statement.parameters.len());
        if takes != given {
            let message = format!("the statement takes {takes} parameters, {given} were given");
            return Err(Failure::new(ErrorCode::BadParameter, message));
        }
        let most = call.limits.statement.parameter_bytes;
        match statement.parameters.iter().position(|value| value.size() > most) {
            Some(at) => {
                let message = format!("parameter `${}` may have at most {most} bytes", at + 1);
                Err(Failure::new(ErrorCode::BadParameter, message))
            }
            None => Ok(verdict),
        }
    }

    async fn ask(&self, call: &Invocation, question: Question<'_>) -> Result<Vec<Outcome>, Failure> {
        let Question { transaction, statements, batch, encoding } = question;
        let verdicts: Result<Vec<_>, _> =
            statements.iter().map(|statement| self.admit(call, statement)).collect();
        // What is compared with statements without literals has none either; the gate has seen them.
        let asked: Vec<Statement> = match self.judge.redacted {
            true => statements.iter().map(without_literals).collect(),
            false => statements.to_vec(),
        };
        let reply = self.shared.with(|player| match verdicts {
            Err(failure) => Reply::Answer(Err(player.refused(transaction, &asked, batch, encoding, failure))),
            Ok(mut verdicts) => {
                if self.judge.redacted {
                    for (verdict, statement) in verdicts.iter_mut().zip(&asked) {
                        if matches!(verdict, Verdict::Passed(_)) {
                            *verdict = self.judge.recorded(&statement.sql);
                        }
                    }
                }
                player.ask(transaction, &asked, batch, encoding, &verdicts)
            }
        });
        let Some(Reply::Answer(answer)) = reply else { return self.stop().await };
        let outcomes = answer?;
        for outcome in &outcomes {
            let rows = outcome.affected.max(outcome.rows.count.into());
            call.budget.result(&call.limits, rows, outcome.rows.data.len(), Instant::now())?;
        }
        Ok(outcomes)
    }

    async fn ask_one(
        &self,
        call: &Invocation,
        transaction: Option<u32>,
        statement: &Statement,
        encoding: Encoding,
    ) -> Result<Outcome, Failure> {
        let statements = std::slice::from_ref(statement);
        let question = Question { transaction, statements, batch: false, encoding };
        let mut outcomes = self.ask(call, question).await?;
        match outcomes.pop() {
            Some(outcome) => Ok(outcome),
            None => self.stop().await,
        }
    }
}

fn without_literals(statement: &Statement) -> Statement {
    Statement { sql: masked(&statement.sql, usize::MAX), parameters: statement.parameters.clone() }
}

#[async_trait]
impl Database for Answers {
    async fn query(
        &self,
        call: &Invocation,
        statement: &Statement,
        encoding: Encoding,
    ) -> Result<Outcome, Failure> {
        self.inner.ask_one(call, None, statement, encoding).await
    }

    async fn batch(
        &self,
        call: &Invocation,
        statements: &[Statement],
        encoding: Encoding,
    ) -> Result<Vec<Outcome>, Failure> {
        self.inner.ask(call, Question { transaction: None, statements, batch: true, encoding }).await
    }

    async fn begin(&self, call: &Invocation) -> Result<Box<dyn Transaction>, Failure> {
        let inner = Arc::clone(&self.inner);
        match inner.shared.with(applet_recording::Player::begin) {
            Some(Reply::Answer(number)) => {
                Ok(Box::new(Played { inner, call: call.clone(), number: number?, is_over: false }))
            }
            Some(Reply::Stop) | None => self.inner.stop().await,
        }
    }

    fn soft_deletable(&self, _call: &Invocation, physical: &SqlName) -> bool {
        let table = self.inner.judge.catalog.table(physical);
        table.is_some_and(applet_catalog::Table::soft_deletable)
    }
}

/// A transaction of the build.
struct Played {
    inner: Arc<Inner>,
    call: Invocation,
    number: u32,
    /// A failed statement ends it, as in the proxy.
    is_over: bool,
}

#[async_trait]
impl Transaction for Played {
    async fn query(&mut self, statement: &Statement, encoding: Encoding) -> Result<Outcome, Failure> {
        let Self { inner, call, number, is_over } = self;
        if *is_over {
            let asked = std::slice::from_ref(statement);
            let refused = |player: &mut applet_recording::Player| {
                player.refused(Some(*number), asked, false, encoding, gone())
            };
            return Err(inner.shared.with(refused).unwrap_or_else(gone));
        }
        let answer = inner.ask_one(call, Some(*number), statement, encoding).await;
        *is_over = answer.is_err();
        answer
    }

    async fn commit(self: Box<Self>) -> Result<(), Failure> {
        self.end(true).await
    }

    async fn rollback(self: Box<Self>) -> Result<(), Failure> {
        self.end(false).await
    }
}

impl Played {
    async fn end(&self, commit: bool) -> Result<(), Failure> {
        let alone = if commit && self.is_over { Err(gone()) } else { Ok(()) };
        match self.inner.shared.with(|player| player.end(self.number, commit, alone)) {
            Some(Reply::Answer(done)) => done,
            Some(Reply::Stop) | None => self.inner.stop().await,
        }
    }
}
