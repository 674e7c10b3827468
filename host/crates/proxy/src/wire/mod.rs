//! A small client of PostgreSQL's wire protocol: one session, extended protocol only.
//!
//! Why our own: one round trip for a statement together with the settings it runs under, rows decoded
//! straight from the socket's buffer into the form the guest reads, and full control over what is left
//! behind. Neither sqlx nor tokio-postgres offers the first two.
//!
//! # What a session promises
//!
//! - **Read-only unless said otherwise.** A session starts with `default_transaction_read_only = on`, so a
//!   read needs no message of its own to be read-only and a forgotten one fails closed. A write opens its
//!   transaction with `BEGIN READ WRITE`, which it needs anyway for its audit record. Flipping the default
//!   whenever the kind changes, or `SET LOCAL` before each read, would cost every read a message or more.
//! - **The tenant is a session setting** (SPEC Decision 1, second form). `SET applet.tenant` goes out in
//!   front of a statement, under the same Sync, only when the session's tenant differs; both are one
//!   implicit transaction, so a failure undoes the setting, and after any error it counts as unknown. Where
//!   the database wants it signed, see [`signing`].
//! - **Clean or closed.** From the first byte sent until `ReadyForQuery` says idle, a session is busy. One
//!   that is dropped while busy is cancelled and closed by [`close`], never reused.
//!
//! *Invariant:* no message carries text that a guest wrote, other than as a bind parameter: statements come
//! from the gate, settings from host types.
//!
//! Start reading at [`session::Session`]; [`run`] has the ways to use one.

mod ask;
mod binding;
mod close;
mod error;
mod prepared;
mod rows;
mod run;
mod session;
mod signing;
mod startup;
mod stream;
mod tls;
mod transport;

pub(crate) use error::{ServerError, WireError};
pub(crate) use prepared::Prepared;
pub(crate) use rows::{Fetch, Fetched};
pub(crate) use run::{Bound, End, Exchange, Settings};
pub(crate) use session::{Session, Status};
pub(crate) use signing::{INVALID, Tenants};
pub(crate) use startup::SessionSettings;
pub use stream::Target;
pub use tls::{Proof, Tls};
pub use transport::{Transport, TransportError};
