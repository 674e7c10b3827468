//! The runtime with real components: conforming ones, hostile ones, and ones that have to be packaged first.
//!
//! Guests are built by `tests/guests/build.sh`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy knows test functions, but not their helpers")]

mod foreign;
mod hooks;
mod hostile;
mod package;
mod support;
