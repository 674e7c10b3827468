//! What a build is answered, rule by rule.

use super::*;
use crate::samples::{asked, changed, judge, recording, rows, statement};
use crate::{Begun, Comparison, Ended, Ending, Event, Paint};
use applet_types::{ErrorCode, Usage, Value};

const READ: &str = "SELECT name FROM notes";
const OTHER: &str = "SELECT name FROM clients";
const WRITE: &str = "UPDATE notes SET name = $1";

fn text(value: &str) -> Vec<Value> {
    vec![Value::Text(value.to_owned())]
}

struct Run(Player);

impl Run {
    fn of(events: Vec<Event>, rules: Rules) -> Self {
        Self(Player::new(recording(events), rules, judge))
    }

    fn ask(&mut self, sql: &str, parameters: &[Value]) -> Reply<Vec<Outcome>> {
        self.0.ask(None, &[statement(sql, parameters)], false, Encoding::Packed, &[judge(sql)])
    }

    fn answered(&mut self, sql: &str, parameters: &[Value]) -> Outcome {
        match self.ask(sql, parameters) {
            Reply::Answer(Ok(mut outcomes)) => outcomes.pop().unwrap(),
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn told(self) -> String {
        self.compared().to_text(Paint::Plain)
    }

    fn compared(self) -> Comparison {
        let ending = self.0.stopped.is_none().then(|| self.0.recording.ending.clone());
        Comparison::of(self.0, ending, Usage::default())
    }
}

/// Spec: F10
#[test]
fn f10_the_same_build_gets_the_same_answers_and_shows_no_difference() {
    let events = || {
        vec![
            asked(READ, &[], rows("before")),
            asked(WRITE, &text("x"), changed(1)),
            asked(READ, &[], rows("after")),
        ]
    };
    for rules in [Rules::Strict, Rules::ByContent] {
        let mut run = Run::of(events(), rules);
        assert_eq!(run.answered(READ, &[]), rows("before"));
        assert_eq!(run.answered(WRITE, &text("x")), changed(1));
        assert_eq!(run.answered(READ, &[]), rows("after"));
        assert_eq!(run.told(), "the same: 3 calls to the database, log and answer");
    }
}

/// Spec: F10
#[test]
fn f10_reordered_reads_are_answered_by_content_and_told_as_moved() {
    let events = || vec![asked(READ, &[], rows("note")), asked(OTHER, &[], rows("client"))];
    let mut run = Run::of(events(), Rules::ByContent);
    assert_eq!(run.answered(OTHER, &[]), rows("client"));
    assert_eq!(run.answered(READ, &[]), rows("note"));
    assert_eq!(
        run.told(),
        "database\n    1  SELECT name FROM clients\n       moved: it was 2\n    2  SELECT name FROM notes  → 1 row\n\
         it differs"
    );

    let mut strict = Run::of(events(), Rules::Strict);
    assert_eq!(strict.ask(OTHER, &[]), Reply::Stop);
    let compared = strict.compared();
    assert_eq!((compared.same, compared.stopped), (false, Some(Unanswered::NotTheSame)));
}

/// Spec: F10
#[test]
fn f10_an_answer_from_before_other_writes_is_doubtful() {
    let events = vec![
        asked(READ, &[], rows("before")),
        asked(WRITE, &text("x"), changed(1)),
        asked(READ, &[], rows("after")),
    ];
    // The first read is gone: what is asked after the write is what was asked after it.
    let mut run = Run::of(events.clone(), Rules::ByContent);
    run.answered(WRITE, &text("x"));
    assert_eq!(run.answered(READ, &[]), rows("after"));
    let told = run.told();
    assert!(told.contains("- SELECT name FROM notes  → 1 row") && !told.contains("doubtful"), "{told}");

    // A third one after another write has no answer of its own.
    let mut run = Run::of(events, Rules::ByContent);
    run.answered(READ, &[]);
    run.answered(WRITE, &text("y"));
    run.answered(READ, &[]);
    let told = run.told();
    assert!(told.contains("doubtful") && told.contains("assumed"), "{told}");
    assert!(told.contains("- $1 = \"x\"\n       + $1 = \"y\""), "{told}");
}

/// Spec: F10
#[test]
fn f10_a_write_is_answered_once_and_a_read_as_often_as_it_is_asked() {
    let events = vec![asked(READ, &[], rows("a")), asked(WRITE, &text("x"), changed(1))];
    let mut run = Run::of(events, Rules::ByContent);
    run.answered(READ, &[]);
    assert_eq!(run.answered(READ, &[]), rows("a"));
    run.answered(WRITE, &text("x"));
    assert_eq!(run.ask(WRITE, &text("x")), Reply::Stop, "twice is not once");
    let told = run.told();
    assert!(told.contains("the answer of 1 is given again"), "{told}");
    assert!(told.ends_with("what comes after the last call is not known"), "{told}");
}

/// Spec: F10
#[test]
fn f10_a_question_without_an_answer_ends_the_replay_and_is_shown_beside_what_it_replaces() {
    let mut run = Run::of(vec![asked(READ, &[], rows("a")), asked(OTHER, &[], rows("b"))], Rules::ByContent);
    assert_eq!(run.ask("SELECT name, body FROM notes", &[]), Reply::Stop);
    assert_eq!(
        run.told(),
        "database\n    1  changed\n       - SELECT name FROM notes\n       + SELECT name, body FROM notes\n       \
         the recording has no answer to this: the replay ends here\n\
         it differs; what comes after the last call is not known"
    );
}

/// Spec: F10
#[test]
fn f10_a_write_that_returns_rows_is_given_the_recorded_ones_if_only_its_values_differ() {
    let write = "INSERT INTO notes (name) VALUES ($1) RETURNING id";
    let mut run = Run::of(vec![asked(write, &text("x"), rows("41"))], Rules::ByContent);
    assert_eq!(run.answered(write, &text("y")), rows("41"));
    let told = run.told();
    assert!(told.contains("assumed: the recorded answer is given, 1 row"), "{told}");
    let mut run = Run::of(vec![asked(write, &text("x"), rows("41"))], Rules::ByContent);
    assert_eq!(run.ask("INSERT INTO notes (name) VALUES ($1) RETURNING name", &text("y")), Reply::Stop);
}

/// Spec: F10
#[test]
fn f10_without_values_questions_are_told_apart_by_their_kinds() {
    let mut recording = recording(vec![asked(OTHER, &text("wxyz"), rows("note"))]);
    recording.head.redacted = true;
    let mut run = Run(Player::new(recording.clone(), Rules::ByContent, judge));
    assert_eq!(run.answered(OTHER, &text("Anna")), rows("note"));
    assert!(run.compared().same);
    let mut run = Run(Player::new(recording, Rules::ByContent, judge));
    assert_eq!(run.ask(OTHER, &[Value::Integer(1)]), Reply::Stop, "another kind is another question");
}

/// Spec: F10
#[test]
fn f10_what_is_written_in_another_way_and_means_the_same_is_the_same() {
    let mut run = Run::of(vec![asked(READ, &[], rows("a"))], Rules::ByContent);
    assert_eq!(run.answered("select  name\nfrom notes", &[]), rows("a"));
    let compared = run.compared();
    assert!(compared.same);
    assert!(compared.to_text(Paint::Plain).contains("written in another way, the same to the database"));
}

/// Spec: F10
#[test]
fn f10_the_gate_comes_before_the_recording() {
    let secrets = "SELECT name FROM secrets";
    let mut run = Run::of(vec![asked(secrets, &[], rows("leaked"))], Rules::ByContent);
    match run.ask(secrets, &[]) {
        Reply::Answer(Err(failure)) => assert_eq!(failure.code, ErrorCode::TableNotAllowed),
        other => panic!("{other:?}"),
    }
    let told = run.told();
    assert!(told.contains("- → 1 row\n       + → table-not-allowed: `secrets` is not granted"), "{told}");
}

/// Spec: F10
#[test]
fn f10_transactions_are_played_with_their_ends() {
    let begun = Event::Begun(Begun { transaction: 1, answer: Some(Ok(())) });
    let ended = |commit| Event::Ended(Ended { transaction: 1, commit, answer: Some(Ok(())) });
    let mut inside = asked(WRITE, &text("x"), changed(1));
    if let Event::Asked(asked) = &mut inside {
        asked.transaction = Some(1);
    }
    let events = vec![begun, inside, ended(true)];
    let play = |commit| {
        let mut run = Run::of(events.clone(), Rules::ByContent);
        assert_eq!(run.0.begin(), Reply::Answer(Ok(1)));
        let asked = [statement(WRITE, &text("x"))];
        run.0.ask(Some(1), &asked, false, Encoding::Packed, &[judge(WRITE)]);
        assert_eq!(run.0.end(1, commit, Ok(())), Reply::Answer(Ok(())));
        run
    };
    assert!(play(true).compared().same);
    let told = play(false).told();
    assert!(told.contains("COMMIT") && told.contains("ROLLBACK"), "{told}");
}

/// Spec: F10
#[test]
fn f10_an_invocation_that_was_ended_while_it_waited_ends_there_again() {
    let mut waiting = asked(READ, &[], rows("never"));
    if let Event::Asked(asked) = &mut waiting {
        asked.answer = None;
    }
    let mut recording = recording(vec![waiting]);
    recording.ending = Ending::Host(Box::new(Failure::new(ErrorCode::Deadline, "too late")));
    let mut run = Run(Player::new(recording, Rules::ByContent, judge));
    assert_eq!(run.ask(READ, &[]), Reply::Stop);
    assert!(run.compared().same);
}
