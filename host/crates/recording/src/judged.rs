//! What the gate says of a statement, as far as playing it needs to know.

use applet_types::{Failure, SqlName};

/// The gate's word.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It passes.
    Passed(Judged),
    /// It is refused; the guest is told so.
    Refused(Failure),
}

/// A statement that passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The text that the database would be sent: two texts of a guest that come to the same are the same question.
    pub canonical: String,
    /// Whether it changes rows.
    pub writes: bool,
    /// Whether rows come back.
    pub returns_rows: bool,
    /// How many parameters it takes.
    pub parameters: u16,
    /// The tables that it uses.
    pub tables: Vec<SqlName>,
}
