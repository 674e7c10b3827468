//! The second parser's check: PostgreSQL's own parser reads the printed text, and an independent walk over
//! its tree proves that nothing is in it but what the printer accounted for, and that every row it can
//! touch belongs to one tenant.
//!
//! *Invariant:* trusts nothing but the printed text, the catalogue and the grants. Shares no code with the
//! parser, the resolver or the printer, so that one mistake cannot be made twice. Every node kind, every
//! field and every flag is either understood or a [`Disagreement`]; there is no "ignore the rest".
//!
//! Start at [`check`]; [`query`] has the proof that a relation is scoped, [`write`](mod@write) the rules for
//! rows that are written, [`expression`] the list of node kinds that may occur in an expression.

mod expression;
mod names;
mod predicate;
mod query;
mod walker;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

use applet_types::{ErrorCode, Failure};
use pg_query::NodeEnum;

use self::walker::Walker;
use crate::ScopeContext;
use crate::accounting::Accounting;

/// What always fits: the second parser's decoder bounds its recursion at 100 messages (and has to: it runs
/// on a worker's stack), an operator takes two, and the statement around it up to a quarter of them.
const NESTED_OPERATORS: usize = 38;

/// Why the printed text is not sent. Internal: it may name tables and functions, so it goes to the log and
/// never to a guest; the guest gets the [`Failure`] it converts into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disagreement {
    /// The tree is deeper than the second parser hands over.
    TooDeep,
    /// The second parser, or what it read, differs from what the printer meant.
    Differs(String),
}

impl Disagreement {
    fn new(detail: impl Into<String>) -> Self {
        Self::Differs(detail.into())
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => f.write_str("the tree is too deep for the second parser"),
            Self::Differs(detail) => f.write_str(detail),
        }
    }
}

impl From<Disagreement> for Failure {
    fn from(disagreement: Disagreement) -> Self {
        match disagreement {
            Disagreement::TooDeep => {
                let message = format!(
                    "an expression nests more than {NESTED_OPERATORS} operators, casts, functions or CASEs: \
                     the second parser reads no more"
                );
                Self::new(ErrorCode::StatementTooLarge, message).rule("nesting").hint(
                    "a chain of operators other than AND and OR nests: split it over several columns, or \
                     compute it in the applet",
                )
            }
            Disagreement::Differs(detail) => {
                tracing::error!(target: "gate.verify", %detail, "the two parsers disagree");
                Self::new(ErrorCode::UnsupportedStatement, "statement cannot be read in one way only")
                    .rule("two-parsers")
            }
        }
    }
}

/// The outcome of looking at one part of the tree.
type Checked<T = ()> = Result<T, Disagreement>;

/// Reads the printed text with PostgreSQL's parser and holds it against the printer's account, the
/// catalogue and the grants.
///
/// # Errors
///
/// The first thing that is not proven.
pub(crate) fn check(printed: &str, accounting: &Accounting, context: &ScopeContext<'_>) -> Checked {
    let tree = pg_query::parse(printed, 0).map_err(|error| match error {
        // Only nesting makes the decoder fail on what the library has just encoded.
        pg_query::Error::Decode(_) => Disagreement::TooDeep,
        other => Disagreement::new(format!("the second parser refuses the text: {other}")),
    })?;
    let [statement] = tree.protobuf.stmts.as_slice() else {
        return Err(Disagreement::new("not exactly one statement"));
    };
    let node = statement.stmt.as_ref().and_then(|node| node.node.as_ref());
    let node = node.ok_or_else(|| Disagreement::new("an empty statement"))?;
    let mut walker = Walker::new(accounting, context);
    walker.statement(node)?;
    walker.finish()
}

/// The kind of a node, for the log.
fn kind_of(node: &NodeEnum) -> String {
    let debug = format!("{node:?}");
    debug.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}
