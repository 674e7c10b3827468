//! A recording as a file: one line of JSON for each thing, the last one with a checksum of all before it.
//!
//! The checksum finds accidents. It proves nothing of who wrote the file: whatever a recording says is data for a
//! sandboxed component and text for a terminal, and nothing else.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::fault::Fault;
use crate::recording::{Ending, Event, FORMAT, Readings, Recording};
use crate::written::{WrittenHead, WrittenLine};
use applet_types::Usage;

/// The most bytes of a file.
pub const MOST_BYTES: usize = 64 << 20;
/// The most lines of a file.
const MOST_LINES: usize = 200_000;

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    lines: usize,
    sha256: String,
}

impl Recording {
    /// The lines of its file.
    ///
    /// # Errors
    ///
    /// When a result is not what its columns promise, or all of it is more than a file may hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Fault> {
        let mut text = Vec::new();
        let mut lines = 0;
        let mut put = |line: Result<Vec<u8>, String>| {
            lines += 1;
            text.extend(line.map_err(|reason| Fault::malformed(lines, reason))?);
            text.push(b'\n');
            if text.len() > MOST_BYTES {
                return Err(Fault::TooLarge(format!("more than {MOST_BYTES} bytes")));
            }
            Ok(())
        };
        put(json(&WrittenHead::of(&self.head)))?;
        for event in &self.events {
            put(WrittenLine::of(event).and_then(|line| json(&line)))?;
        }
        put(json(&WrittenLine::clocks(&self.readings)))?;
        put(json(&WrittenLine::end(&self.ending, self.usage)))?;
        let seal = Seal { lines, sha256: hex::encode(Sha256::digest(&text)) };
        text.extend(json(&seal).map_err(|reason| Fault::malformed(lines, reason))?);
        text.push(b'\n');
        Ok(text)
    }

    /// Reads a file. Whoever reads it in bounds it by [`MOST_BYTES`]; one byte more is refused here.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > MOST_BYTES {
            return Err(Fault::TooLarge(format!("more than {MOST_BYTES} bytes")));
        }
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        check_version(first)?;
        let body = sealed(bytes)?;
        let mut lines = body.split(|byte| *byte == b'\n').enumerate().map(|(at, line)| (at + 1, line));
        let (_, first) = lines.next().ok_or(Fault::Truncated)?;
        let head: WrittenHead = line(1, first)?;
        let mut reader = Reader { events: Vec::new(), begun: BTreeSet::new(), readings: None, end: None };
        for (number, text) in lines {
            reader.take(number, line(number, text)?)?;
        }
        let Reader { events, readings: Some(readings), end: Some((ending, usage)), .. } = reader else {
            return Err(Fault::Truncated);
        };
        Ok(Self { head: head.read()?, events, readings, ending, usage })
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|error| error.to_string())
}

fn line<'a, T: Deserialize<'a>>(number: usize, text: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(text).map_err(|error| {
        // What serde says of a value may quote it; of a field that is not known it says the name.
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        Fault::malformed(
            number,
            reason.chars().filter(|letter| !letter.is_control()).take(200).collect::<String>(),
        )
    })
}

/// Looked at before anything else, so that a file of another format is told apart from a damaged one.
fn check_version(first: &[u8]) -> Result<(), Fault> {
    let other = |reason: &str| Fault::NotARecording(reason.to_owned());
    let head: Value = serde_json::from_slice(first).map_err(|_| other("its first line is not JSON"))?;
    let version = head.get("recording").ok_or_else(|| other("its first line has no field `recording`"))?;
    match version.as_u64() {
        Some(FORMAT) => Ok(()),
        Some(another) => Err(Fault::Version(another)),
        None => Err(other("its field `recording` is no number")),
    }
}

/// Everything before the last line, without its own line end, if the last line fits.
fn sealed(bytes: &[u8]) -> Result<&[u8], Fault> {
    let whole = bytes.strip_suffix(b"\n").ok_or(Fault::Truncated)?;
    let end = whole.iter().rposition(|byte| *byte == b'\n').ok_or(Fault::Truncated)?;
    let (body, last) = whole.split_at_checked(end + 1).ok_or(Fault::Truncated)?;
    let seal: Seal = serde_json::from_slice(last).map_err(|_| Fault::Truncated)?;
    let body_lines = body.iter().filter(|byte| **byte == b'\n').count();
    if body_lines > MOST_LINES {
        return Err(Fault::TooLarge(format!("more than {MOST_LINES} lines")));
    }
    if seal.lines != body_lines || seal.sha256 != hex::encode(Sha256::digest(body)) {
        return Err(Fault::Damaged);
    }
    Ok(body.strip_suffix(b"\n").unwrap_or(body))
}

struct Reader {
    events: Vec<Event>,
    /// Transactions that were begun.
    begun: BTreeSet<u32>,
    readings: Option<Readings>,
    end: Option<(Ending, Usage)>,
}

impl Reader {
    fn take(&mut self, number: usize, line: WrittenLine) -> Result<(), Fault> {
        let event = match line {
            WrittenLine::Clocks(clocks) => return once(number, &mut self.readings, clocks.read()),
            WrittenLine::End(end) => return once(number, &mut self.end, end.read()),
            WrittenLine::Query(query) => query.read(),
            WrittenLine::Batch(batch) => batch.read(),
            WrittenLine::Begin(begin) => begin.read(),
            WrittenLine::Commit(end) => end.read(true),
            WrittenLine::Rollback(end) => end.read(false),
            WrittenLine::Log(log) => Ok(log.read()),
        };
        let event = event.map_err(|reason| Fault::malformed(number, reason))?;
        if self.readings.is_some() || self.end.is_some() {
            return Err(Fault::malformed(number, "something happens after the end"));
        }
        let used = match &event {
            Event::Begun(begun) if self.begun.contains(&begun.transaction) => {
                return Err(Fault::malformed(number, "a transaction begins twice"));
            }
            Event::Begun(begun) => {
                self.begun.insert(begun.transaction);
                None
            }
            Event::Asked(asked) => asked.transaction,
            Event::Ended(ended) => Some(ended.transaction),
            Event::Line(_) => None,
        };
        if used.is_some_and(|transaction| !self.begun.contains(&transaction)) {
            return Err(Fault::malformed(number, "a transaction is used that was not begun"));
        }
        self.events.push(event);
        Ok(())
    }
}

fn once<T>(number: usize, place: &mut Option<T>, value: T) -> Result<(), Fault> {
    if place.replace(value).is_some() {
        return Err(Fault::malformed(number, "it is said twice"));
    }
    Ok(())
}
