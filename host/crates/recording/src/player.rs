//! Answers another build from a recording: in order and by content.
//!
//! What is answered:
//!
//! 1. A statement that the gate refuses is refused, whatever was recorded.
//! 2. The same question, that is, the same text after the gate's rewriting, the same parameters and encoding, gets
//!    the recorded answer: the next one that was not given yet, else an earlier one. A read that was answered once
//!    may be answered again.
//! 3. An answer depends on what the invocation had written before. One that was recorded after other writes to the
//!    same tables is given, and marked as *doubtful*.
//! 4. A write that stands where the recording has another one of the same kind on the same tables is *assumed* to
//!    change as many rows as that one. If it returns rows, its text has to be the same, and it is given the recorded
//!    rows.
//! 5. Anything else nobody can answer without a database: the build is stopped there.
//!
//! A recording without values is played by kinds: a question that has no answer by its values gets the next one of the
//! same text whose parameters are of the same kinds.
//!
//! With [`Rules::Strict`] only what comes in the recorded order, word for word, is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use applet_types::{Encoding, Failure, Outcome, SqlName, Statement};

use crate::clocks::Clocks;
use crate::judged::{Judged, Verdict};
use crate::questions::{key, kind, kinds, raw};
use crate::recording::{Answer, Asked, Event, Level, Line, Recording};
use crate::redact::blanked;
use crate::tape::{Tape, Ticket};

/// How far from the recording a build may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Not at all: it is stopped at the first difference.
    Strict,
    /// As far as the recording has answers.
    ByContent,
}

/// What a build that asks is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply<T> {
    /// The recorded answer.
    Answer(Result<T, Failure>),
    /// There is none; the build is stopped here.
    Stop,
}

/// Why a build was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unanswered {
    /// The recording has no answer to this question.
    NotRecorded,
    /// By the strict rules it differs.
    NotTheSame,
    /// The recorded invocation was ended while it waited for this answer: so is the build.
    EndedHere,
}

/// How an answer was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The event of the recording, by position.
    pub(crate) recorded: Option<usize>,
    pub(crate) doubtful: bool,
    pub(crate) assumed: bool,
    /// It was given before.
    pub(crate) again: bool,
    /// Nobody knows whether its values are the same.
    pub(crate) by_kind: bool,
}

/// A recorded question.
struct Entry {
    event: usize,
    key: String,
    /// By the guest's own words, for what the gate refuses.
    raw: String,
    verdict: Vec<Verdict>,
    /// What had been written to its tables before.
    history: u64,
    taken: bool,
}

/// What a build did, and how each of it was answered.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) events: Vec<Event>,
    pub(crate) found: BTreeMap<usize, Found>,
    pub(crate) stopped: Option<(usize, Unanswered)>,
}

/// A recording, being played.
pub struct Player {
    recording: Recording,
    rules: Rules,
    entries: Vec<Entry>,
    /// Positions of recorded beginnings and ends of transactions that are not taken.
    others: BTreeSet<usize>,
    /// The event after the one that was answered from last.
    cursor: usize,
    writes: Writes,
    /// By number of this run: number in the recording, and what was written when it began.
    transactions: BTreeMap<u32, (Option<u32>, Writes)>,
    tape: Tape,
    found: BTreeMap<usize, Found>,
    stopped: Option<(usize, Unanswered)>,
    clocks: Clocks,
}

/// What was written so far, table by table, as a chain.
#[derive(Debug, Clone, Default)]
struct Writes(BTreeMap<SqlName, u64>);

impl Writes {
    fn note(&mut self, key: &str, verdicts: &[Verdict]) {
        for judged in passed(verdicts).filter(|judged| judged.writes) {
            for table in &judged.tables {
                let before = self.0.get(table).copied().unwrap_or_default();
                self.0.insert(table.clone(), hashed(&(before, key)));
            }
        }
    }

    /// What an answer to this depends on.
    fn of(&self, verdicts: &[Verdict]) -> u64 {
        let tables: BTreeSet<_> = passed(verdicts).flat_map(|judged| &judged.tables).collect();
        hashed(&tables.into_iter().map(|table| self.0.get(table)).collect::<Vec<_>>())
    }
}

fn passed(verdicts: &[Verdict]) -> impl Iterator<Item = &Judged> {
    verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Passed(judged) => Some(judged),
        Verdict::Refused(_) => None,
    })
}

fn hashed(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Player {
    /// Begins. `judge` says what the gate said of recorded statements, under the recorded grants.
    pub fn new(recording: Recording, rules: Rules, judge: impl Fn(&str) -> Verdict) -> Self {
        let mut entries = Vec::new();
        let mut others = BTreeSet::new();
        let mut writes = Writes::default();
        let mut at_begin: BTreeMap<u32, Writes> = BTreeMap::new();
        for (position, event) in recording.events.iter().enumerate() {
            match event {
                Event::Asked(asked) => {
                    let verdict: Vec<_> = asked.statements.iter().map(|each| judge(&each.sql)).collect();
                    let key = key(asked, &verdict);
                    let history = writes.of(&verdict);
                    if matches!(asked.answer, Some(Ok(_))) {
                        writes.note(&key, &verdict);
                    }
                    let raw = raw(asked);
                    entries.push(Entry { event: position, key, raw, verdict, history, taken: false });
                }
                Event::Begun(begun) => {
                    at_begin.insert(begun.transaction, writes.clone());
                    others.insert(position);
                }
                Event::Ended(ended) => {
                    if let Some(before) = at_begin.remove(&ended.transaction).filter(|_| !ended.commit) {
                        writes = before;
                    }
                    others.insert(position);
                }
                Event::Line(_) => {}
            }
        }
        let clocks = Clocks::of(&recording.readings);
        Self {
            recording,
            rules,
            entries,
            others,
            cursor: 0,
            writes: Writes::default(),
            transactions: BTreeMap::new(),
            tape: Tape::new(usize::MAX),
            found: BTreeMap::new(),
            stopped: None,
            clocks,
        }
    }

    /// The recording.
    pub const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// What the wall clock shows next, in milliseconds.
    pub fn wall(&mut self) -> u64 {
        self.clocks.wall.next(1)
    }

    /// What the monotonic clock shows next, in nanoseconds.
    pub fn monotonic(&mut self) -> u64 {
        self.clocks.monotonic.next(1_000_000)
    }

    /// The build writes a line.
    pub fn line(&mut self, level: Level, text: &str) {
        if self.recording.head.redacted {
            self.tape.line(level, &blanked(text));
        } else {
            self.tape.line(level, text);
        }
    }

    /// The build sends a statement, or a batch. `verdicts` are the gate's, under the grants of this run.
    pub fn ask(
        &mut self,
        transaction: Option<u32>,
        statements: &[Statement],
        batch: bool,
        encoding: Encoding,
        verdicts: &[Verdict],
    ) -> Reply<Vec<Outcome>> {
        let asked = Asked { transaction, statements: statements.to_vec(), batch, encoding, answer: None };
        let ticket = self.tape.asked(transaction, statements, batch, encoding);
        let refusal = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Refused(failure) => Some(failure.clone()),
            Verdict::Passed(_) => None,
        });
        if let Some(failure) = refusal {
            return self.refuse(ticket, &asked, failure);
        }
        let key = key(&asked, verdicts);
        let Some((index, found)) = self.candidate(&asked, &key, verdicts) else {
            let why =
                if self.rules == Rules::Strict { Unanswered::NotTheSame } else { Unanswered::NotRecorded };
            return self.stop(ticket, why);
        };
        let Some(entry) = self.entries.get_mut(index) else {
            return self.stop(ticket, Unanswered::NotRecorded);
        };
        entry.taken = true;
        let position = entry.event;
        self.cursor = self.cursor.max(position + 1);
        self.found.insert(ticket.position(), Found { recorded: Some(position), ..found });
        match self.recorded_answer(position) {
            None => self.stop(ticket, Unanswered::EndedHere),
            Some(answer) => {
                if answer.is_ok() {
                    self.writes.note(&key, verdicts);
                }
                self.tape.answered(ticket, answer.as_deref());
                Reply::Answer(answer)
            }
        }
    }

    /// The host refuses a statement by itself: by the gate, a budget, or because its transaction is over.
    pub fn refused(
        &mut self,
        transaction: Option<u32>,
        statements: &[Statement],
        batch: bool,
        encoding: Encoding,
        failure: Failure,
    ) -> Failure {
        let asked = Asked { transaction, statements: statements.to_vec(), batch, encoding, answer: None };
        let ticket = self.tape.asked(transaction, statements, batch, encoding);
        self.refuse::<()>(ticket, &asked, failure.clone());
        failure
    }

    fn refuse<T>(&mut self, ticket: Ticket, asked: &Asked, failure: Failure) -> Reply<T> {
        let raw = raw(asked);
        let same = |entry: &&mut Entry| !entry.taken && entry.raw == raw;
        let next = self.cursor;
        let mut entries = self.entries.iter_mut();
        let found = entries.by_ref().filter(|entry| entry.event >= next).find(same);
        let found = match found {
            Some(found) => Some(found),
            None => self.entries.iter_mut().find(same),
        };
        let recorded = found.map(|entry| {
            entry.taken = true;
            entry.event
        });
        if let Some(position) = recorded {
            self.cursor = self.cursor.max(position + 1);
        }
        self.found.insert(ticket.position(), Found { recorded, ..Found::default() });
        self.tape.answered(ticket, Err(&failure));
        Reply::Answer(Err(failure))
    }

    /// The build opens a transaction; gives its number.
    pub fn begin(&mut self) -> Reply<u32> {
        let (ticket, number) = self.tape.begins();
        let next = self.next_other(|event| matches!(event, Event::Begun(_)));
        if self.rules == Rules::Strict && !self.is_next(next) {
            return self.stop(ticket, Unanswered::NotTheSame);
        }
        let recorded = next.and_then(|position| match self.recording.events.get(position) {
            Some(Event::Begun(begun)) => Some((position, begun.transaction, begun.answer.clone())),
            Some(Event::Asked(_) | Event::Ended(_) | Event::Line(_)) | None => None,
        });
        let before = self.writes.clone();
        self.transactions.insert(number, (recorded.as_ref().map(|(_, number, _)| *number), before));
        // One that the recording does not have can be opened all the same: there is nothing to ask.
        let (position, answer) = recorded.map_or((None, Some(Ok(()))), |(at, _, answer)| (Some(at), answer));
        match self.other_answer(ticket, position, answer) {
            Reply::Answer(done) => Reply::Answer(done.map(|()| number)),
            Reply::Stop => Reply::Stop,
        }
    }

    /// The build ends a transaction. One that the recording does not have ends as `alone`.
    pub fn end(&mut self, transaction: u32, commit: bool, alone: Result<(), Failure>) -> Reply<()> {
        let ticket = self.tape.ends(transaction, commit);
        let (recorded, before) = self.transactions.remove(&transaction).unwrap_or_default();
        if !commit {
            self.writes = before;
        }
        let next = recorded.and_then(|number| {
            self.next_other(|event| {
                matches!(event, Event::Ended(ended) if ended.transaction == number && ended.commit == commit)
            })
        });
        if self.rules == Rules::Strict && !self.is_next(next) {
            return self.stop(ticket, Unanswered::NotTheSame);
        }
        let answer = match next.and_then(|position| self.recording.events.get(position)) {
            Some(Event::Ended(ended)) => ended.answer.clone(),
            Some(Event::Asked(_) | Event::Begun(_) | Event::Line(_)) | None => Some(alone),
        };
        self.other_answer(ticket, next, answer)
    }

    pub(crate) fn finish(self) -> (Recording, Played) {
        let (events, _) = self.tape.take();
        (self.recording, Played { events, found: self.found, stopped: self.stopped })
    }

    fn other_answer(&mut self, ticket: Ticket, position: Option<usize>, answer: Answer<()>) -> Reply<()> {
        if let Some(position) = position {
            self.others.remove(&position);
            self.cursor = self.cursor.max(position + 1);
        }
        self.found.insert(ticket.position(), Found { recorded: position, ..Found::default() });
        match answer {
            None => self.stop(ticket, Unanswered::EndedHere),
            Some(done) => {
                self.tape.done(ticket, done.as_ref().copied());
                Reply::Answer(done)
            }
        }
    }

    fn stop<T>(&mut self, ticket: Ticket, why: Unanswered) -> Reply<T> {
        self.stopped = Some((ticket.position(), why));
        Reply::Stop
    }

    /// The recorded answer at this position.
    fn recorded_answer(&self, position: usize) -> Answer<Vec<Outcome>> {
        match self.recording.events.get(position) {
            Some(Event::Asked(asked)) => asked.answer.clone(),
            Some(Event::Begun(_) | Event::Ended(_) | Event::Line(_)) | None => None,
        }
    }

    /// The next one that is not taken, else an earlier one.
    fn next_other(&self, is_it: impl Fn(&Event) -> bool) -> Option<usize> {
        let fits = |position: &&usize| self.recording.events.get(**position).is_some_and(&is_it);
        let later = self.others.range(self.cursor..).find(fits);
        later.or_else(|| self.others.iter().find(fits)).copied()
    }

    /// Whether nothing of the recording but lines is before it.
    fn is_next(&self, position: Option<usize>) -> bool {
        let Some(position) = position else { return false };
        let between = self.recording.events.get(self.cursor..position);
        between.is_some_and(|between| between.iter().all(|event| matches!(event, Event::Line(_))))
    }

    /// Where the answer to a question is, best first.
    fn candidate(&self, asked: &Asked, key: &str, verdicts: &[Verdict]) -> Option<(usize, Found)> {
        if self.rules == Rules::Strict {
            let raw = raw(asked);
            let fits = |entry: &Entry| !entry.taken && entry.raw == raw && self.is_next(Some(entry.event));
            return self.entries.iter().position(fits).map(|index| (index, Found::default()));
        }
        let history = self.writes.of(verdicts);
        let reads = passed(verdicts).all(|judged| !judged.writes);
        let same = |entry: &Entry| entry.key == key && passed(&entry.verdict).count() == verdicts.len();
        // Smaller is better: not given yet, under the same writes, not passed by.
        let rank = |entry: &Entry| (entry.taken, entry.history != history, entry.event < self.cursor);
        let usable = |entry: &Entry| same(entry) && (reads || !entry.taken);
        let best = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| usable(entry))
            .min_by_key(|(_, entry)| rank(entry));
        if let Some((index, entry)) = best {
            let found = Found { doubtful: entry.history != history, again: entry.taken, ..Found::default() };
            return Some((index, found));
        }
        if self.recording.head.redacted
            && let Some(index) = self.of_its_kind(asked)
        {
            return Some((index, Found { by_kind: true, ..Found::default() }));
        }
        self.assumed(asked, verdicts).map(|index| (index, Found { assumed: true, ..Found::default() }))
    }

    /// The next one of the same words, with parameters of the same kinds.
    fn of_its_kind(&self, asked: &Asked) -> Option<usize> {
        let wanted = kinds(asked);
        let fits = |entry: &Entry| {
            let recorded = match self.recording.events.get(entry.event) {
                Some(Event::Asked(recorded)) => recorded,
                Some(Event::Begun(_) | Event::Ended(_) | Event::Line(_)) | None => return false,
            };
            !entry.taken && entry.event >= self.cursor && kinds(recorded) == wanted
        };
        self.entries.iter().position(fits)
    }

    /// The recorded write that one without an answer stands for.
    fn assumed(&self, asked: &Asked, verdicts: &[Verdict]) -> Option<usize> {
        let of = |verdicts: &[Verdict]| -> Vec<_> {
            let what = |judged: &Judged| match judged.returns_rows {
                true => judged.canonical.clone(),
                false => kind(&judged.canonical).to_owned(),
            };
            passed(verdicts).map(|judged| (what(judged), judged.tables.clone())).collect()
        };
        if verdicts.is_empty() || !passed(verdicts).all(|judged| judged.writes) {
            return None;
        }
        let wanted = of(verdicts);
        self.entries.iter().position(|entry| {
            let recorded = match self.recording.events.get(entry.event) {
                Some(Event::Asked(recorded)) => recorded,
                Some(Event::Begun(_) | Event::Ended(_) | Event::Line(_)) | None => return false,
            };
            !entry.taken
                && entry.event >= self.cursor
                && recorded.encoding == asked.encoding
                && recorded.batch == asked.batch
                && matches!(recorded.answer, Some(Ok(_)))
                && of(&entry.verdict) == wanted
        })
    }
}

/// For the comparison.
pub(crate) fn is_line(event: &Event) -> Option<&Line> {
    match event {
        Event::Line(line) => Some(line),
        Event::Asked(_) | Event::Begun(_) | Event::Ended(_) => None,
    }
}

#[cfg(test)]
mod tests;
