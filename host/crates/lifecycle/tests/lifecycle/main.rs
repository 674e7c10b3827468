//! The lifecycle on a real PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod approval;
mod crash;
mod departures;
mod export;
mod hooks;
mod host;
mod install;
mod notes;
mod policy;
mod purge;
mod retire_crash;
mod retire_races;
mod uninstall;
mod upgrade;
mod upgrade_faults;
