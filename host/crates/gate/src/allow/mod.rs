//! The allowlists. *Invariant:* whatever is printed as a function, operator, type or collation is a static
//! name from here, never text of the guest.

pub(crate) mod functions;
pub(crate) mod keywords;
pub(crate) mod operators;
pub(crate) mod types;
