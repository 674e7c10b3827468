//! A recording beside the way that another build played it.

use std::collections::BTreeSet;

use applet_types::{Failure, Outcome, Statement, Usage};
use serde::Serialize;
use serde_json::Value as Json;

use crate::lines::{self, LineChange};
use crate::paths::{self, AnswerChange};
use crate::player::{Found, Played, Player, Unanswered, is_line};
use crate::recording::{Answer, Asked, Ending, Event, Head, Line};
use crate::texts;
use crate::written::WrittenValue;

/// Everything that differs.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Whether nothing does.
    pub same: bool,
    /// Where the replay was stopped, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Unanswered>,
    /// What went to the database, in the order of the replay.
    pub database: Vec<Step>,
    /// The log.
    pub log: Vec<LineChange>,
    /// Places of the answer.
    pub answer: Vec<AnswerChange>,
    /// How it ended in the recording, if it ended in another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_end: Option<String>,
    /// How it ended in the replay, if it ended in another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_end: Option<String>,
    /// What the recorded invocation used.
    pub recorded_usage: Usage,
    /// What the replay used; time is another machine's.
    pub replayed_usage: Usage,
    /// Whether values were replaced in the recording, so that it only tells shapes apart.
    pub redacted: bool,
}

/// What became of one call to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Nothing.
    Same,
    /// It comes earlier or later.
    Moved,
    /// The replay alone has it.
    Added,
    /// The recording alone has it.
    Removed,
    /// One stands for another, or is answered in another way.
    Changed,
}

/// One call to the database, on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What became of it.
    pub change: Change,
    /// As it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Shown>,
    /// As it was replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<Shown>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A call to the database.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// Its number on its side, from 1.
    pub number: usize,
    /// In which transaction, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<u32>,
    /// The statements, or BEGIN, COMMIT or ROLLBACK.
    pub statements: Vec<String>,
    /// Their parameters, as files have them.
    pub parameters: Vec<Vec<Json>>,
    /// Rows returned or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Whether it was answered at all.
    pub answered: bool,
}

impl Shown {
    fn of(event: &Event, number: usize) -> Self {
        let (transaction, statements, rows, error, answered) = match event {
            Event::Asked(Asked { transaction, statements, answer, .. }) => {
                let affected =
                    |outcomes: &Vec<Outcome>| outcomes.iter().map(|outcome| outcome.affected).sum();
                (*transaction, statements.clone(), ok(answer, affected), failed(answer), answer.is_some())
            }
            Event::Begun(begun) => {
                (None, vec![spoken("BEGIN")], None, failed(&begun.answer), begun.answer.is_some())
            }
            Event::Ended(ended) => {
                let word = if ended.commit { "COMMIT" } else { "ROLLBACK" };
                let answer = &ended.answer;
                (Some(ended.transaction), vec![spoken(word)], None, failed(answer), answer.is_some())
            }
            Event::Line(line) => (None, vec![spoken(&line.text)], None, None, true),
        };
        let written = |statement: &Statement| -> Vec<Json> {
            let values = statement.parameters.iter().map(WrittenValue::of);
            values.map(|value| serde_json::to_value(value).unwrap_or_default()).collect()
        };
        Self {
            number,
            transaction,
            parameters: statements.iter().map(written).collect(),
            statements: statements.into_iter().map(|statement| statement.sql).collect(),
            rows,
            error,
            answered,
        }
    }

    fn words(&self) -> BTreeSet<String> {
        let texts = self.statements.iter().flat_map(|text| text.split(|letter: char| !is_word(letter)));
        texts.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    }

    /// Whether one may be what became of the other: half of their words are in both.
    fn resembles(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.words(), other.words());
        let (both, all) = (ours.intersection(&theirs).count(), ours.union(&theirs).count());
        both * 2 >= all
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

fn spoken(text: &str) -> Statement {
    Statement { sql: text.to_owned(), parameters: Vec::new() }
}

fn ok<T, U>(answer: &Answer<T>, with: impl FnOnce(&T) -> U) -> Option<U> {
    answer.as_ref().and_then(|answer| answer.as_ref().ok()).map(with)
}

fn failed<T>(answer: &Answer<T>) -> Option<Failure> {
    answer.as_ref().and_then(|answer| answer.as_ref().err()).cloned()
}

/// A side's calls to the database: their positions among all events, in order.
fn calls(events: &[Event]) -> Vec<usize> {
    events.iter().enumerate().filter(|(_, event)| is_line(event).is_none()).map(|(at, _)| at).collect()
}

impl Comparison {
    /// Compares, once the build has come to its end.
    pub fn of(player: Player, ending: Option<Ending>, usage: Usage) -> Self {
        let (recording, played) = player.finish();
        let stopped = played.stopped.map(|(_, why)| why);
        // One that was ended while it waited ends as the recorded one did.
        let ending = match stopped {
            Some(Unanswered::EndedHere) => Some(recording.ending.clone()),
            Some(Unanswered::NotRecorded | Unanswered::NotTheSame) | None => ending,
        };
        let redacted = recording.head.redacted;
        let mut database = steps(&recording.events, &played, redacted);
        let recorded_lines: Vec<&Line> = recording.events.iter().filter_map(is_line).collect();
        let replayed_lines: Vec<&Line> = played.events.iter().filter_map(is_line).collect();
        let mut log = lines::compare(&recorded_lines, &replayed_lines);
        let ended_early = matches!(stopped, Some(Unanswered::NotRecorded | Unanswered::NotTheSame));
        if ended_early {
            // What would have come after is nobody's difference.
            database.truncate(last(&database, |step| step.replayed.is_some()));
            log.truncate(last(&log, |line| !matches!(line, LineChange::Removed { .. })));
        }
        let (answer, ends) = match &ending {
            Some(ending) => endings(&recording.head, &recording.ending, ending),
            None => (Vec::new(), None),
        };
        let same = !ended_early
            && database.iter().all(|step| step.change == Change::Same)
            && !log.iter().any(LineChange::is_change)
            && answer.is_empty()
            && ends.is_none();
        let (recorded_end, replayed_end) = ends.unzip();
        Self {
            same,
            stopped,
            database,
            log,
            answer,
            recorded_end,
            replayed_end,
            recorded_usage: recording.usage,
            replayed_usage: usage,
            redacted: recording.head.redacted,
        }
    }
}

/// How many there are up to the last one that is so.
fn last<T>(list: &[T], is_so: impl Fn(&T) -> bool) -> usize {
    list.iter().rposition(is_so).map_or(0, |at| at + 1)
}

fn endings(
    head: &Head,
    recorded: &Ending,
    replayed: &Ending,
) -> (Vec<AnswerChange>, Option<(String, String)>) {
    match (recorded, replayed) {
        (Ending::Answer(recorded), Ending::Answer(replayed)) => {
            let mut changes = paths::compare(recorded, replayed);
            if head.redacted {
                changes.retain(|change| !texts::is_comparable_only_in_kind(change));
            }
            (changes, None)
        }
        (Ending::Refused { code, .. }, Ending::Refused { code: now, .. }) if head.redacted && code == now => {
            (Vec::new(), None)
        }
        (Ending::Host(failure), Ending::Host(now)) if head.redacted && failure.code == now.code => {
            (Vec::new(), None)
        }
        (recorded, replayed) if recorded == replayed => (Vec::new(), None),
        (recorded, replayed) => (Vec::new(), Some((texts::ending(recorded), texts::ending(replayed)))),
    }
}

/// Both sides in one list: the replay's order, with what is missing where it was.
fn steps(recorded: &[Event], played: &Played, redacted: bool) -> Vec<Step> {
    let (ours, theirs) = (calls(recorded), calls(&played.events));
    let pairs: Vec<Option<Found>> = theirs.iter().map(|at| played.found.get(at).copied()).collect();
    // A second answer of the same is no place in the order.
    let place = |found: &Option<Found>| found.filter(|found| !found.again).and_then(|found| found.recorded);
    let in_order = in_order(&pairs.iter().map(place).collect::<Vec<_>>());
    let taken: BTreeSet<usize> = pairs.iter().filter_map(place).collect();
    let shown_ours = |at: usize| {
        let number = ours.iter().position(|position| *position == at).map_or(0, |number| number + 1);
        recorded.get(at).map(|event| Shown::of(event, number))
    };
    let mut missing = ours.iter().copied().filter(|at| !taken.contains(at)).peekable();
    let mut steps = Vec::new();
    let removed = |at: usize| Step {
        change: Change::Removed,
        recorded: shown_ours(at),
        replayed: None,
        notes: Vec::new(),
    };
    for (index, (at, found)) in theirs.iter().zip(&pairs).enumerate() {
        let position = place(found);
        if let Some(position) = position.filter(|_| in_order.contains(&index)) {
            while let Some(before) = missing.next_if(|before| *before < position) {
                steps.push(removed(before));
            }
        }
        let replayed = played.events.get(*at).map(|event| Shown::of(event, index + 1));
        let recorded = found.and_then(|found| found.recorded).and_then(shown_ours);
        let stopped = played.stopped.filter(|(stopped, _)| stopped == at).map(|(_, why)| why);
        let found = found.unwrap_or_default();
        let seen = Seen { found, in_order: in_order.contains(&index), stopped, redacted };
        steps.push(step(recorded, replayed, &seen));
    }
    steps.extend(missing.map(removed));
    paired(steps)
}

/// What is known of a call of the replay besides itself.
struct Seen {
    found: Found,
    in_order: bool,
    stopped: Option<Unanswered>,
    redacted: bool,
}

/// Without values, an error has its code and no words.
fn same_error(recorded: Option<&Failure>, replayed: Option<&Failure>, redacted: bool) -> bool {
    match (recorded, replayed) {
        (Some(recorded), Some(replayed)) if redacted => recorded.code == replayed.code,
        (recorded, replayed) => recorded == replayed,
    }
}

fn step(recorded: Option<Shown>, replayed: Option<Shown>, seen: &Seen) -> Step {
    let Seen { found, in_order, stopped, redacted } = *seen;
    let mut notes = Vec::new();
    let change = match (&recorded, &replayed) {
        (Some(before), Some(now)) => {
            if found.assumed {
                let rows = if now.rows == Some(1) { "row" } else { "rows" };
                let number = now.rows.unwrap_or_default();
                notes.push(format!("assumed: the recorded answer is given, {number} {rows}"));
            }
            if found.doubtful {
                notes.push(
                    "the answer is doubtful: other writes to the same tables came before it".to_owned(),
                );
            }
            if before.statements != now.statements && !found.assumed {
                notes.push("written in another way, the same to the database".to_owned());
            }
            if before.transaction.is_some() != now.transaction.is_some() {
                let now_in = if now.transaction.is_some() { "now inside" } else { "no longer inside" };
                notes.push(format!("{now_in} a transaction"));
            }
            let same_answer = same_error(before.error.as_ref(), now.error.as_ref(), redacted)
                && before.answered == now.answered;
            let moved_in = before.transaction.is_some() != now.transaction.is_some();
            if found.again {
                notes.push(format!("asked before: the answer of {} is given again", before.number));
                Change::Added
            } else if found.assumed || !same_answer || moved_in {
                Change::Changed
            } else if in_order {
                Change::Same
            } else {
                Change::Moved
            }
        }
        _ => Change::Added,
    };
    match stopped {
        Some(Unanswered::NotRecorded) => {
            notes.push("the recording has no answer to this: the replay ends here".to_owned());
        }
        Some(Unanswered::NotTheSame) => notes.push("this is another call: the replay ends here".to_owned()),
        Some(Unanswered::EndedHere) | None => {}
    }
    Step { change, recorded: recorded.filter(|_| !found.again), replayed, notes }
}

/// Of the places that calls were answered from, those that are in the recorded order: the longest such list. The
/// others have moved.
fn in_order(places: &[Option<usize>]) -> BTreeSet<usize> {
    // Patience sorting: for each length, the place on which the best list of that length ends.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; places.len()];
    for (index, place) in places.iter().enumerate() {
        let Some(place) = *place else { continue };
        let length = ends.partition_point(|(end, _)| *end < place);
        let previous = length.checked_sub(1).and_then(|shorter| ends.get(shorter)).map(|(_, index)| *index);
        if let Some(slot) = before.get_mut(index) {
            *slot = previous;
        }
        match ends.get_mut(length) {
            Some(end) => *end = (place, index),
            None => ends.push((place, index)),
        }
    }
    let mut kept = BTreeSet::new();
    let mut next = ends.last().map(|(_, index)| *index);
    while let Some(index) = next {
        kept.insert(index);
        next = before.get(index).copied().flatten();
    }
    kept
}

/// What was taken out and what was put in at the same place, where one resembles the other, is one change.
fn paired(steps: Vec<Step>) -> Vec<Step> {
    let mut joined: Vec<Step> = Vec::new();
    for step in steps {
        let alone = |step: &Step| step.recorded.is_some() != step.replayed.is_some();
        let partner = joined.iter().rev().take_while(|before| alone(before)).position(|before| {
            let (one, other) = (before.recorded.as_ref(), step.replayed.as_ref());
            let (other_way, back) = (before.replayed.as_ref(), step.recorded.as_ref());
            let pair = one.zip(other).or(other_way.zip(back));
            before.change != step.change && pair.is_some_and(|(one, other)| one.resembles(other))
        });
        match partner.filter(|_| alone(&step)).and_then(|back| joined.len().checked_sub(back + 1)) {
            Some(at) => {
                if let Some(before) = joined.get_mut(at) {
                    before.change = Change::Changed;
                    before.recorded = before.recorded.take().or(step.recorded);
                    before.replayed = before.replayed.take().or(step.replayed);
                    before.notes.extend(step.notes);
                }
            }
            None => joined.push(step),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_what_has_moved_is_as_little_as_possible() {
        let kept = in_order(&[Some(0), Some(3), Some(1), None, Some(2), Some(4)]);
        assert_eq!(kept.into_iter().collect::<Vec<_>>(), [0, 2, 4, 5]);
    }
}
