//! Developing an applet: a private database with two tenants, the real gate, and the project's code in it,
//! again whenever a file is saved.
//!
//! *Invariant:* nothing here loosens what an applet is held to. A developer sees more of it than others; the
//! applet gets no further.
//!
//! Start reading at [`Stage`] (the database and who is in it, for `test` as well), then [`reload`] and
//! [`door`].

pub(crate) mod door;
pub(crate) mod hint;
pub(crate) mod reload;
mod say;
pub(crate) mod stage;

pub(crate) use say::{listening, tell_sights};
pub(crate) use stage::Stage;
