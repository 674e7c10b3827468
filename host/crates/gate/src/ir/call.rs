//! Calls of functions, with what SQL lets stand behind one.

use super::{Expr, Name, Order};

/// How a function is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `pg_catalog.name(…)`.
    Plain,
    /// `NAME(…)`: part of the grammar, cannot be qualified and cannot be shadowed.
    Keyword,
    /// `NAME` or, with a precision, `NAME(p)`.
    Bare,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) distinct: bool,
    pub(crate) star: bool,
    pub(crate) args: Vec<Arg>,
    pub(crate) order_by: Vec<Order>,
    pub(crate) within_group: Vec<Order>,
    pub(crate) filter: Option<Box<Expr>>,
    pub(crate) over: Option<Over>,
}

impl Call {
    /// One call for each argument. PostgreSQL reads `unnest(a, b)` in FROM as two calls side by side, but
    /// only where the name is not qualified, and we qualify every name.
    pub(crate) fn per_argument(self) -> Vec<Self> {
        if self.args.len() < 2 {
            return vec![self];
        }
        let Self { name, form, args, .. } = self;
        let one = |arg| Self {
            name,
            form,
            distinct: false,
            star: false,
            args: vec![arg],
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        };
        args.into_iter().map(one).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Arg {
    pub(crate) name: Option<Name>,
    pub(crate) value: Expr,
}

#[derive(Debug)]
pub(crate) enum Over {
    Named(Name),
    Window(Window),
}

#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) base: Option<Name>,
    pub(crate) partition_by: Vec<Expr>,
    pub(crate) order_by: Vec<Order>,
    pub(crate) frame: Option<Frame>,
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) units: &'static str,
    pub(crate) start: Bound,
    pub(crate) end: Option<Bound>,
}

#[derive(Debug)]
pub(crate) enum Bound {
    CurrentRow,
    UnboundedPreceding,
    UnboundedFollowing,
    Preceding(Box<Expr>),
    Following(Box<Expr>),
}
