//! The lifecycle on a real PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod approval;
mod crash;
mod hooks;
mod host;
mod install;
mod upgrade;
mod upgrade_faults;
