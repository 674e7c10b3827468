//! A comparison for people: what differs, and a little of what stands around it.

use std::fmt::{self, Write as _};

use serde_json::Value as Json;

use crate::compare::{Change, Comparison, Shown, Step};
use crate::lines::LineChange;
use crate::texts::{failure, one_line, parameter, shortened};

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// As text alone.
    Plain,
    /// For a terminal.
    Colours,
}

#[derive(Clone, Copy)]
enum Ink {
    Removed,
    Added,
    Faint,
    Strong,
}

impl Paint {
    fn with(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Removed => "31",
            Ink::Added => "32",
            Ink::Faint => "2",
            Ink::Strong => "1",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Colours => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

impl Comparison {
    /// The text.
    pub fn to_text(&self, paint: Paint) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _written = self.write(&mut text, paint);
        text
    }

    fn write(&self, out: &mut String, paint: Paint) -> fmt::Result {
        if self.database.iter().any(|step| step.change != Change::Same || !step.notes.is_empty()) {
            writeln!(out, "{}", paint.with(Ink::Strong, "database"))?;
            for (around, step) in
                around(&self.database, |step| step.change != Change::Same || !step.notes.is_empty())
            {
                if around {
                    writeln!(out, "  {}", paint.with(Ink::Faint, "…"))?;
                }
                write_step(out, step, paint)?;
            }
        }
        if self.log.iter().any(LineChange::is_change) {
            writeln!(out, "{}", paint.with(Ink::Strong, "log"))?;
            for (around, line) in around(&self.log, LineChange::is_change) {
                if around {
                    writeln!(out, "  {}", paint.with(Ink::Faint, "…"))?;
                }
                match line {
                    LineChange::Same { text } => {
                        writeln!(out, "    {}", paint.with(Ink::Faint, &shortened(text)))?
                    }
                    LineChange::Removed { text } => minus(out, paint, 2, &shortened(text))?,
                    LineChange::Added { text } => plus(out, paint, 2, &shortened(text))?,
                }
            }
        }
        if !self.answer.is_empty() {
            writeln!(out, "{}", paint.with(Ink::Strong, "answer"))?;
            for change in &self.answer {
                writeln!(out, "  {}", one_line(&change.path))?;
                if let Some(recorded) = &change.recorded {
                    minus(out, paint, 4, &shortened(&recorded.to_string()))?;
                }
                if let Some(replayed) = &change.replayed {
                    plus(out, paint, 4, &shortened(&replayed.to_string()))?;
                }
            }
        }
        if let (Some(recorded), Some(replayed)) = (&self.recorded_end, &self.replayed_end) {
            writeln!(out, "{}", paint.with(Ink::Strong, "end"))?;
            minus(out, paint, 2, &one_line(recorded))?;
            plus(out, paint, 2, &one_line(replayed))?;
        }
        write!(out, "{}", self.verdict())
    }

    fn verdict(&self) -> String {
        let kind = if self.redacted { ", as far as a redacted recording shows" } else { "" };
        if self.same {
            let calls = self.database.len();
            let calls = if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") };
            return format!("the same{kind}: {calls} to the database, log and answer");
        }
        if let Some(crate::Unanswered::NotRecorded | crate::Unanswered::NotTheSame) = self.stopped {
            return format!("it differs{kind}; what comes after the last call is not known");
        }
        format!("it differs{kind}")
    }
}

/// What is to be told, with one before and one after each; and whether something was left out before it.
fn around<T>(list: &[T], is_told: impl Fn(&T) -> bool) -> Vec<(bool, &T)> {
    let told: Vec<bool> = list.iter().map(is_told).collect();
    let near =
        |at: usize| (at.saturating_sub(1)..=at + 1).any(|other| told.get(other).copied().unwrap_or_default());
    let mut skipped = false;
    let mut kept = Vec::new();
    for (at, item) in list.iter().enumerate() {
        if near(at) {
            kept.push((std::mem::take(&mut skipped), item));
        } else {
            skipped = true;
        }
    }
    kept
}

fn minus(out: &mut String, paint: Paint, indent: usize, text: &str) -> fmt::Result {
    writeln!(out, "{}{}", " ".repeat(indent), paint.with(Ink::Removed, &format!("- {text}")))
}

fn plus(out: &mut String, paint: Paint, indent: usize, text: &str) -> fmt::Result {
    writeln!(out, "{}{}", " ".repeat(indent), paint.with(Ink::Added, &format!("+ {text}")))
}

fn write_step(out: &mut String, step: &Step, paint: Paint) -> fmt::Result {
    match (step.change, &step.recorded, &step.replayed) {
        (Change::Same, _, Some(shown)) => {
            let text = format!("{:>3}  {}{}", shown.number, shortened(&statements(shown)), came(shown));
            writeln!(out, "  {}", paint.with(Ink::Faint, &text))?;
        }
        (Change::Moved, Some(recorded), Some(replayed)) => {
            let moved = format!("{:>3}  {}", replayed.number, shortened(&statements(replayed)));
            writeln!(out, "  {moved}\n       moved: it was {}", recorded.number)?;
        }
        (Change::Changed, Some(recorded), Some(replayed)) => {
            let head = if recorded.statements == replayed.statements {
                shortened(&statements(replayed))
            } else {
                "changed".to_owned()
            };
            writeln!(out, "  {:>3}  {head}", replayed.number)?;
            write_both(out, recorded, replayed, paint)?;
        }
        (_, Some(recorded), None) => {
            minus(out, paint, 5, &format!("{}{}", shortened(&statements(recorded)), came(recorded)))?;
            write_parameters(out, recorded, |out, text| minus(out, paint, 7, text))?;
        }
        (_, _, Some(replayed)) => {
            let text = format!("+ {}{}", shortened(&statements(replayed)), came(replayed));
            writeln!(out, "  {:>3}  {}", replayed.number, paint.with(Ink::Added, &text))?;
            write_parameters(out, replayed, |out, text| plus(out, paint, 7, text))?;
        }
        (_, None, None) => {}
    }
    for note in &step.notes {
        writeln!(out, "       {note}")?;
    }
    Ok(())
}

fn write_both(out: &mut String, recorded: &Shown, replayed: &Shown, paint: Paint) -> fmt::Result {
    if recorded.statements != replayed.statements {
        minus(out, paint, 7, &shortened(&statements(recorded)))?;
        plus(out, paint, 7, &shortened(&statements(replayed)))?;
    }
    let (before, now): (Vec<_>, Vec<_>) = (flat(recorded), flat(replayed));
    for at in 0..before.len().max(now.len()) {
        let (before, now) = (before.get(at), now.get(at));
        if before == now {
            continue;
        }
        if let Some((name, value)) = before {
            minus(out, paint, 7, &format!("{name} = {}", parameter(value)))?;
        }
        if let Some((name, value)) = now {
            plus(out, paint, 7, &format!("{name} = {}", parameter(value)))?;
        }
    }
    let (before, now) = (came(recorded), came(replayed));
    if before != now && replayed.answered {
        minus(out, paint, 7, before.trim_start())?;
        plus(out, paint, 7, now.trim_start())?;
    }
    Ok(())
}

/// Parameters with their names; those of a batch with the number of their statement.
fn flat(shown: &Shown) -> Vec<(String, &Json)> {
    let several = shown.parameters.len() > 1;
    let each = shown.parameters.iter().enumerate().flat_map(|(number, values)| {
        values.iter().enumerate().map(move |(at, value)| {
            let name = if several { format!("{}: ${}", number + 1, at + 1) } else { format!("${}", at + 1) };
            (name, value)
        })
    });
    each.collect()
}

fn write_parameters(
    out: &mut String,
    shown: &Shown,
    line: impl Fn(&mut String, &str) -> fmt::Result,
) -> fmt::Result {
    flat(shown).iter().try_for_each(|(name, value)| line(out, &format!("{name} = {}", parameter(value))))
}

fn statements(shown: &Shown) -> String {
    let each: Vec<_> = shown.statements.iter().map(|text| one_line(text)).collect();
    each.join("; ")
}

/// What came back, in a few words after the statement.
fn came(shown: &Shown) -> String {
    match (&shown.error, shown.rows) {
        (Some(reason), _) => format!("  → {}", failure(reason)),
        (None, Some(1)) => "  → 1 row".to_owned(),
        (None, Some(rows)) => format!("  → {rows} rows"),
        (None, None) if shown.answered => String::new(),
        (None, None) => "  → no answer".to_owned(),
    }
}
