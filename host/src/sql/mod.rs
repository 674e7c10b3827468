//! `applet sql`: the line format for programs and the table for people.
//!
//! *Invariant:* a line that cannot be read is answered, never fatal; answers come in the order of the
//! lines and are flushed before the next line is read.

mod answer;
mod line;
mod session;

pub(crate) use answer::{Answer, as_table};
pub(crate) use line::{LONGEST_LINE, Line};
pub(crate) use session::{Opening, SqlSession};
