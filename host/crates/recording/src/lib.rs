//! One invocation on file: what it was given, what it asked the database, what it was answered, and what it
//! answered itself; played again to another build, and compared.
//!
//! *Invariants:* pure: no I/O but the bytes that are handed in, no clock, no chance. A file is believed only as
//! far as its checksum and its bounds go: whatever it says ends in a [`Recording`] or a [`Fault`].
//!
//! | module | from | to |
//! |---|---|---|
//! | `tape` | what happens | [`Event`]s |
//! | `file`, `written`, `cells` | [`Recording`] | lines of JSON, and back |
//! | `redact` | [`Recording`] | one that holds no values |
//! | `player` | a recording, and what another build asks | an answer, or none |
//! | `compare` | a recording, and how it was played | [`Comparison`] |
//!
//! Start reading at [`Recording`], then [`Player`] (the rules of what is answered) and [`Comparison`].

mod cells;
mod clocks;
mod compare;
mod fault;
mod file;
mod judged;
mod lines;
mod paths;
mod player;
mod questions;
mod recording;
mod redact;
mod show;
mod tape;
mod texts;
mod written;

pub use compare::{Change, Comparison, Shown, Step};
pub use fault::Fault;
pub use file::MOST_BYTES;
pub use judged::{Judged, Verdict};
pub use lines::LineChange;
pub use paths::AnswerChange;
pub use player::{Player, Reply, Rules, Unanswered};
pub use recording::{
    Answer, Asked, Begun, Ended, Ending, Event, FORMAT, Head, Level, Line, Readings, Recording, Seed,
};
pub use show::Paint;
pub use tape::{Tape, Ticket, TooMuch};

#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod samples;
